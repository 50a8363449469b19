from moorage.gateway.haproxy.main import main

main()
