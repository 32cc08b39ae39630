"""Run a command to its end and print what it and its children used.

    python -S -I benchmarks/launcher.py COMMAND...

A process of its own, and a small one, because the kernel counts the memory of the process that
starts a command as if it were the command's (getrusage(2), ru_maxrss). Prints the status, seconds
of CPU, seconds and the peak in kB to descriptor 3; the command's own output is thrown away.
"""

import os
import subprocess
import sys
import time

began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - began
process.returncode = os.waitstatus_to_exitcode(status)
words = process.returncode, usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss
os.write(3, " ".join(map(str, words)).encode())
