"""Puts tables in a document, in place of those that are there.   usage: record.py DOCUMENT TABLES COMMIT"""

import datetime
import os
import platform
import re
import sys

document, tables, commit = sys.argv[1:]
BEGIN, END = "<!-- benchmarks/http.sh -->", "<!-- end of benchmarks/http.sh -->"
with open("/proc/cpuinfo") as file:
    processor = re.search(r"model name\s*: (.*)", file.read())[1]
with open(tables) as file:
    body = file.read()
load = os.getloadavg()
section = (
    f"{BEGIN}\n{datetime.date.today()}, at {commit}. {os.cpu_count()} cores of an {processor}, {platform.system()} {platform.release()}; "
    f"load over 15 minutes {load[2]:.1f}.\n\n{body}{END}\n"
)
with open(document) as file:
    text = file.read()
if BEGIN in text:
    head, _, rest = text.partition(BEGIN)
    text = head + section + rest.partition(END + "\n")[2]
else:
    text = text.rstrip("\n") + "\n\n" + section
with open(document, "w") as file:
    file.write(text)
print(body)
