"""A peer's program measures one turn for each line on standard input and stays ready between, so that alternating turns do not
each begin with starting Python and compiling: `echo | python3 torch_step.py ...` measures once."""
import json
import subprocess
import sys
import time


def serve(run_once, limit, steps_a_run=1):
    """run_once() does `steps_a_run` steps; a turn lasts `limit` seconds."""
    for _ in sys.stdin:
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < limit:
            run_once()
            count += steps_a_run
        print(json.dumps({"ns_per_step": 1e9 * (time.perf_counter() - start) / count}), flush=True)


class Peer:
    """The other end: calling it gives the figure of one turn. Started by the first call."""

    def __init__(self, command):
        self.command = command
        self.process = None

    def __call__(self):
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.stderr.read().strip()[-500:] or "it ended without a word")
        return json.loads(line)["ns_per_step"]

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None
