from moorage.gateway.main import main

main()
