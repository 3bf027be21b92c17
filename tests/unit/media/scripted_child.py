"""A child of the guard that does what its job's `script` says: a function below, or the name of a signal to itself."""

import os
import signal

from service.media.children.child_main import Document, child_main, send


def spin(_: Document) -> Document:
    while True:
        pass


def wait(_: Document) -> Document:
    signal.pause()
    return {}


def hold(_: Document) -> Document:
    """A little work, then an answer."""
    total = sum(range(int(3e7)))
    return {"total": total}


def act(job: Document) -> Document:
    script = job["script"]
    if script.startswith("SIG"):
        send({"progress": 7})
        # one that ignores it may have started the tests, such as nohup
        if script != "SIGKILL":
            signal.signal(signal.Signals[script], signal.SIG_DFL)
        os.kill(os.getpid(), signal.Signals[script])
        signal.pause()
    found: Document = {"spin": spin, "wait": wait, "hold": hold}[script](job)
    return found


if __name__ == "__main__":
    child_main(act)
