"""What the processes of chains have in common, imported once in the process that they are forked from.

Ctrl-C and a closed terminal are for the run, which ends that process.
"""

import gc
import signal

gc.disable()
for sign in (signal.SIGINT, signal.SIGHUP):
    signal.signal(sign, signal.SIG_IGN)

import flows.chain_task  # noqa: E402, F401

gc.freeze()  # what is there by now stays, and need not be looked through in every process
gc.enable()
