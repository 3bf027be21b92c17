"""An engine without models: runs the commands in a job's `script` (or in its video) one by one.

`step`, `note`, `checkpoint`, `done`, `fail`, `fail-final`, `fail-overlay`: send the message of that name. `until-cancel`: send steps
until the job is canceled. `deaf`: send nothing more. `spin`, `child`: compute without
a message, here or in a child. `exit`, `kill`: end during the job. `malformed`, `unknown`,
`command`, `huge`, `half`, `newer`: send a line that is not a valid message of an engine. `next-run`: send the rest as
messages about the next run. `late`: send messages about the previous run. `result`: write a result without tubelets
to `out`. `limits`: be ready with short limits. The program's arguments are the commands to run at the start.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from dualtrack import protocol
from dualtrack.protocol import Cached, Cancel, Do, Done, Failed, Ready, Step
from tests.support.results import write_empty


class Scripted:
    def __init__(self) -> None:
        self.run, self.name, self.steps = 0, "", 0
        self.job: dict[str, Any] = {}
        self.runs: queue.Queue[Do] = queue.Queue()
        self.canceled: set[int] = set()

    def read(self) -> None:
        for line in sys.stdin:
            match protocol.decode(line):
                case Cancel(number):
                    self.canceled.add(number)
                case Do() as run:
                    self.runs.put(run)
        os._exit(0)

    def send(self, message: protocol.Message) -> None:
        self.write(protocol.encode(message))

    def write(self, text: str) -> None:
        print(text, end="", flush=True)

    def ready(self) -> None:
        self.send(Ready())

    def limits(self) -> None:
        self.send(Ready(silent_s=0.5, deadline_s=5))

    def step(self) -> None:
        self.steps += 1
        self.send(Step(self.run, self.name, self.steps, 99))

    def note(self) -> None:
        self.send(Cached(self.run, f"{self.name}/clip-1", 7))

    def checkpoint(self) -> None:
        self.send(Cached(self.run, f"{self.name}/checkpoint-1", 7, checkpoint=True))

    def result(self) -> None:
        write_empty(Path(self.job["out"]))

    def late(self) -> None:
        self.send(Step(self.run - 1, "late", 1, 99))
        self.send(Done(self.run - 1))

    def done(self) -> None:
        self.send(Done(self.run))

    def fail(self, code: str = "broken", *, final: bool = False) -> None:
        self.send(Failed(self.run, code, f"{self.name}: {code}", final))

    def fail_final(self) -> None:
        self.fail("malformed", final=True)

    def fail_overlay(self) -> None:
        self.send(Failed(self.run, "overlay-failed", "overlay: decode-failed: frame 3 is broken", final=True))

    def malformed(self) -> None:
        self.write("Warning: slow\n")

    def unknown(self) -> None:
        self.write(f'{{"message": "pause", "run": {self.run}}}\n')

    def command(self) -> None:
        self.send(Cancel(self.run))

    def huge(self) -> None:
        self.send(Failed(self.run, "broken", "x" * (2 << 20), final=True))

    def half(self) -> None:
        self.write(protocol.encode(Done(self.run))[:-3])

    def next_run(self) -> None:
        self.run += 1

    def newer(self) -> None:
        self.send(Ready(protocol.FORMAT + 1))

    def until_cancel(self) -> None:
        while self.run not in self.canceled:
            self.step()
            time.sleep(0.01)
        self.fail("canceled", final=True)

    def deaf(self) -> None:
        signal.pause()

    def spin(self) -> None:
        while time.process_time() < 0.8:
            pass

    def child(self) -> None:
        subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.8: pass"], check=True)

    def exit(self) -> None:
        os._exit(9)

    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def act(self, commands: list[str]) -> None:
        for command in commands:
            getattr(self, command.replace("-", "_"))()

    def main(self, start: list[str]) -> None:
        sys.stdin.readline()
        threading.Thread(target=self.read, daemon=True).start()
        self.act(start)
        while True:
            run = self.runs.get()
            self.run, self.job, self.steps = run.run, run.job, 0
            script = run.job["script"] if "script" in run.job else Path(run.job["video"]).read_text()
            self.name = run.job["name"] if "name" in run.job else Path(run.job["video"]).stem
            self.act(script.split())


if __name__ == "__main__":
    Scripted().main(sys.argv[1:])
