"""Keeps objects of one class. Speaks as the patients in C do: the truth, READY, then commands on stdin."""
import sys


class Session:
    def __init__(self, number):
        self.number = number


sessions = [Session(number) for number in range(20000)]
print(f"sessions={len(sessions)}", "READY", sep="\n", flush=True)
for line in sys.stdin:
    print("OK", flush=True)
