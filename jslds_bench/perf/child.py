"""What runs in the process of one version: names of benchmarks come in, seconds go out. Run as a script.

It is started with the folder of its version and the file of the benchmarks, which is one for both versions.
Each line it reads is a benchmark and a budget; it answers with the seconds per call, the median over calls of
that budget, by the file's `CLOCK` where it has one.
"""

import importlib.util
import json
import os
import statistics
import sys
import time


def main(folder: str, benchmarks: str, core: str) -> None:
    """Answers until its input ends."""
    if core != "any":
        os.sched_setaffinity(0, {int(core)})
    sys.path.insert(0, folder)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed stays out of the conversation
    spec = importlib.util.spec_from_file_location("benchmarks", benchmarks)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmarks"] = module
    spec.loader.exec_module(module)
    clock = getattr(module, "CLOCK", time.perf_counter)
    for line in sys.stdin:
        name, budget = json.loads(line)
        call = module.TIMED[name]()
        call()
        taken: list[float] = []
        while len(taken) < 3 or sum(taken) < budget:
            start = clock()
            call()
            taken.append(clock() - start)
        answers.write(json.dumps(statistics.median(taken)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
