"""What can go wrong, and how it is said: one line, and an exit code."""

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

GOES_ON = "the same command goes on from the last finished generation"
STOPPED, STOPPED_CODE = f"stopped: {GOES_ON}", 130
"""What a run says, and its exit code, when it was stopped."""
DESPITE = "SELF_CONSUMING_DESPITE_DISK"
"""The environment variable that lets a run begin whose results do not fit on the disk."""
NO_MEMORY = "not enough memory; a smaller batch, microbatch, block of samples, number of samples or network takes less: "
"""How a fault of that kind begins; what the library says of it comes behind."""
LONGEST = 700
"""Of what is said in a line; other libraries put their remedy at the end."""


class BadInput(Exception):
    """What the user gave is not allowed; the message is one line: which key, what value, what is allowed."""


class RunFailed(Exception):
    """Something went wrong while running; the message says where, in one line."""


class Broken(RunFailed):
    """The numbers of a training or sampling broke, or the user's own code did: trying again gives the same."""


@contextmanager
def as_value_error() -> Iterator[None]:
    """Turn BadInput into what pydantic, and so Prefect, understands as a value that is not allowed."""
    try:
        yield
    except BadInput as error:
        raise ValueError(str(error)) from None


def in_a_line(error: BaseException) -> str:
    """What an error says, without line breaks; its type's name where it says nothing."""
    text = " ".join(str(error).split()) or type(error).__name__
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"  # a remedy comes last


def lacks_memory(error: BaseException) -> bool:
    """Whether there was not enough memory: PyTorch says so in words alone."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in ("can't allocate memory", "out of memory"))


def exit_code(run: Callable[[], int | None]) -> int:
    """Run a command; errors become one line on stderr and the exit code 1 (failed), 2 (bad input) or 130 (stopped)."""
    try:
        return run() or 0
    except BadInput as error:
        print(f"error: {str(error).replace(chr(10), ' ')}", file=sys.stderr)  # names of files may have any character
        return 2
    except RunFailed as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal is gone
            print(STOPPED, file=sys.stderr)
        return STOPPED_CODE
    except (OSError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not lacks_memory(error):
            raise
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return 0
        print(f"failed: {NO_MEMORY if lacks_memory(error) else ''}{in_a_line(error)}", file=sys.stderr)  # the machine's fault
        return 1


def _nobody_reads() -> bool:
    """Whether what is printed is read no more, as by `| head`; what is still to be printed is then dropped."""
    printed = select.poll()
    printed.register(sys.stdout, 0)
    gone = any(event & select.POLLERR for _, event in printed.poll(0))
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone
