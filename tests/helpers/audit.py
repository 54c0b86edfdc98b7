"""Asks pip-audit about the pinned versions; exit code 1 where one of them is known to be vulnerable.

Where no database answers, it says so in a line.
"""

import json
import subprocess
import sys

COMMAND = ["pip_audit", "--requirement=constraints.txt", "--no-deps", "--disable-pip", "--format=json"]


def main() -> int:
    done = subprocess.run([sys.executable, "-m", *COMMAND], capture_output=True, text=True, check=False)
    try:
        pinned = json.loads(done.stdout)["dependencies"]
    except ValueError:
        print(f"no audit of the pinned versions: {(done.stderr.strip().splitlines() or [''])[-1][:200]}")
        return 0
    known = [package for package in pinned if "vulns" in package]
    for package in known:
        for found in package["vulns"]:
            print(f"{package['name']} {package['version']}: {found['id']}, fixed in {', '.join(found['fix_versions'])}")
    print(f"audit: of {len(pinned)} pinned versions the database knows {len(known)}")
    return int(any(package["vulns"] for package in known))


if __name__ == "__main__":
    sys.exit(main())
