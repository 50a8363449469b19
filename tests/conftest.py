"""What holds for every test."""

import signal

# A shell without job control starts what runs in the background with these ignored, and every program that a test starts
# would inherit that, deaf to the Ctrl-C that the test sends.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
