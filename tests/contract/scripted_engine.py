"""An engine without models: it does what the words of a job's `script` say, one after the other.

`step`, `note`, `checkpoint`, `done`, `fail`, `fail-final`: the message of that name. `until-cancel`: step on until the
job is canceled. `deaf`: never answer again. `exit`, `kill`: end in the middle. The arguments are the words for the start.
"""

import json
import os
import queue
import signal
import sys
import threading
import time


class Scripted:
    def __init__(self) -> None:
        self.name, self.steps = "", 0
        self.jobs: queue.Queue[dict | None] = queue.Queue()
        self.canceled = threading.Event()

    def read(self) -> None:
        for line in sys.stdin:
            command = json.loads(line)
            if "cancel" in command:
                self.canceled.set()
            else:
                self.jobs.put(command["job"])
        os._exit(0)

    def say(self, message: dict) -> None:
        print(json.dumps(message), flush=True)

    def ready(self) -> None:
        self.say({"ready": True})

    def step(self) -> None:
        self.steps += 1
        self.say({"progress": {"stage": self.name, "done": self.steps, "total": 99}})

    def note(self) -> None:
        self.say({"cache": {"key": f"{self.name}/clip-1", "size_bytes": 7}})

    def checkpoint(self) -> None:
        self.say({"cache": {"key": f"{self.name}/checkpoint-1", "size_bytes": 7}})

    def done(self) -> None:
        self.say({"done": True})

    def fail(self, code: str = "broken", *, final: bool = False) -> None:
        self.say({"error": {"code": code, "detail": f"{self.name}: {code}"}, "final": final})

    def fail_final(self) -> None:
        self.fail("malformed", final=True)

    def until_cancel(self) -> None:
        while not self.canceled.is_set():
            self.step()
            time.sleep(0.01)
        self.fail("canceled", final=True)

    def deaf(self) -> None:
        signal.pause()

    def exit(self) -> None:
        os._exit(9)

    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def act(self, words: list[str]) -> None:
        for word in words:
            getattr(self, word.replace("-", "_"))()

    def main(self, start: list[str]) -> None:
        json.loads(sys.stdin.readline())
        threading.Thread(target=self.read, daemon=True).start()
        self.act(start)
        while True:
            job = self.jobs.get()
            self.canceled.clear()
            self.name, self.steps = job["name"], 0
            self.act(job["script"].split())


if __name__ == "__main__":
    Scripted().main(sys.argv[1:])
