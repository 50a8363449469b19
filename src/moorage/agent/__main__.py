import sys

from moorage.agent.main import main

sys.exit(main())
