from moorage.gateway.launch import main

main()
