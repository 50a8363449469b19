from moorage.server.main import main

main()
