#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Build and run the tests; the parts are

  unit         the unit tests and fuzz seeds under gcc, clang, the sanitizers and libFuzzer,
               with coverage, and as the release; a build with gcc's analyzer
  static       clang-format, clang-tidy, the direction of includes, purity, shellcheck
  integration  the daemon in network namespaces: release, and parts of it under the sanitizers

The last line is `N passed, N failed, N skipped`; the status is 0 when nothing failed.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
REPORTS = BUILD / "reports"
JOBS = 2

PRESETS = ("release", "gcc", "clang", "asan", "fuzz", "analyze", "coverage")
BUILD_ONLY = ("analyze",)
# Slow under the sanitizers, and no richer in paths than the rest.
NOT_WITH_ASAN = ("test_scale.py", "test_policy_scale.py")


def run(command, **options):
    """Run a command in the checkout, without input, its outputs in one."""
    return subprocess.run(command, cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, name, command, **options):
        """Run one command as one check; its output shows only when it fails."""
        started = time.monotonic()
        result = run(command, **options)
        self.note(name, result.returncode == 0, result.stdout, started)

    def note(self, name, passed, output, started):
        seconds = time.monotonic() - started
        print(f"{'ok' if passed else 'FAILED'}  {name}  ({seconds:.1f} s)", flush=True)
        if passed:
            self.passed += 1
        else:
            self.failed += 1
            print(output, flush=True)

    def suite(self, name, command, report, **options):
        """Run a command that writes a JUnit report, and count the cases in it."""
        started = time.monotonic()
        report.unlink(missing_ok=True)
        result = run(command, **options)
        passed, failed, skipped = junit_counts(report)
        if result.returncode != 0 and failed == 0:
            failed = 1  # the runner itself failed
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        verdict = "FAILED" if failed else "ok"
        print(f"{verdict}  {name}: {passed} passed, {failed} failed, {skipped} skipped  "
              f"({time.monotonic() - started:.1f} s)", flush=True)
        if failed or skipped:
            print(result.stdout, flush=True)

    def skip(self, name, why):
        self.skipped += 1
        print(f"skipped  {name}: {why}", flush=True)


def junit_counts(report):
    passed = failed = skipped = 0
    if report.exists():
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
            elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
                skipped += 1
            else:
                passed += 1
    return passed, failed, skipped


def build(tally, preset):
    """Configure and build a preset as one check; what fails does not keep the rest from building,
    so that all faults show at once."""
    started = time.monotonic()
    output = ""
    for command in (["cmake", "--preset", preset],
                    ["cmake", "--build", "--preset", preset, "-j", str(JOBS), "--", "-k", "0"]):
        result = run(command)
        # Progress and the compilers' command lines drown the message.
        output += "".join(line for line in result.stdout.splitlines(keepends=True)
                          if not re.match(r"\[\d+/\d+\] |/\S*/(gcc|clang|cc) ", line))
        if result.returncode != 0:
            break
    tally.note(f"build {preset}", result.returncode == 0, output, started)
    return result.returncode == 0


def built(tally, presets):
    """Those of the presets that build."""
    return {preset for preset in presets if build(tally, preset)}


def run_unit(tally, ready):
    for preset in PRESETS:
        if preset not in ready or preset in BUILD_ONLY:
            continue
        if preset == "coverage":
            for old in (BUILD / preset).rglob("*.gcda"):
                old.unlink()
        report = REPORTS / f"ctest-{preset}.xml"
        tally.suite(f"ctest {preset}", ["ctest", "--preset", preset, "-j", str(JOBS),
                                        "--no-tests=error", "--output-junit", str(report)], report)
        if preset == "coverage":
            print_coverage()


def print_coverage():
    """Lines of ours that the unit tests ran, by folder."""
    data = [str(path) for path in (BUILD / "coverage").rglob("*.gcda")
            if path.relative_to(BUILD / "coverage").parts[0] in ("proto", "src")]
    if not data:
        return
    result = subprocess.run(["gcov", "--json-format", "--stdout", *data], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    lines = {}
    for document in result.stdout.splitlines():
        for file in json.loads(document)["files"]:
            name = os.path.relpath(os.path.join(ROOT, file["file"]), ROOT)
            if not name.startswith(("proto/", "src/", "include/")):
                continue
            for line in file["lines"]:
                key = (name, line["line_number"])
                lines[key] = lines.get(key, 0) + line["count"]
    folders = {}
    for (name, _), count in lines.items():
        folder = folders.setdefault(os.path.dirname(name), [0, 0])
        folder[0] += count > 0
        folder[1] += 1
    for folder, (ran, total) in sorted(folders.items()):
        print(f"    coverage {folder}: {100 * ran / total:.1f} % of {total} lines")


def sources():
    """Every C file of ours."""
    return sorted(path for folder in ("include", "proto", "src", "test")
                  for path in (ROOT / folder).rglob("*.[ch]"))


def run_static(tally, ready):
    run_format(tally)
    tally.check("check-layers", ["scripts/check-layers"])
    if "release" in ready:
        tally.check("check-pure", ["scripts/check-pure", "build/release"])
    else:
        tally.skip("check-pure", "the release did not build")
    scripts = [str(path) for folder in ("scripts", ".ci") for path in (ROOT / folder).iterdir()
               if path.is_file() and path.read_bytes()[:64].startswith(b"#!/bin/bash")]
    tally.check("shellcheck", ["shellcheck", *sorted(scripts)])
    if "clang" in ready:
        run_tidy(tally)
    else:
        tally.skip("clang-tidy", "the clang preset did not build")


def run_format(tally):
    """clang-format in check mode; of each file that fails, the first place."""
    started = time.monotonic()
    command = ["clang-format", "--dry-run", "-Werror", *map(str, sources())]
    result = run(command)
    first = {}
    for line in result.stdout.splitlines():
        found = re.match(r"(\S+?):\d+:\d+: error: ", line)
        if found:
            first.setdefault(found[1], line)
    output = "\n".join(first.values()) or result.stdout
    tally.note("clang-format", result.returncode == 0, output, started)


def run_tidy(tally):
    """clang-tidy over what the clang preset compiles; a file unchanged since it passed is not
    looked at again."""
    started = time.monotonic()
    stamps = BUILD / "tidy"
    stamps.mkdir(parents=True, exist_ok=True)
    common = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for path in sources():
        if path.suffix == ".h":
            common.update(path.read_bytes())
    commands = json.loads((BUILD / "clang" / "compile_commands.json").read_text())
    files = sorted({pathlib.Path(entry["file"]) for entry in commands})

    def tidy(path):
        state = common.copy()
        state.update(path.read_bytes())
        stamp = stamps / (str(path.relative_to(ROOT)).replace("/", "_") + ".ok")
        if stamp.exists() and stamp.read_text() == state.hexdigest():
            return ""
        result = run(["clang-tidy", "-p", str(BUILD / "clang"), "--quiet", str(path)])
        if result.returncode != 0:
            return re.sub(r"^\d+ warnings? generated\.\n", "", result.stdout, flags=re.MULTILINE)
        stamp.write_text(state.hexdigest())
        return ""

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        output = "\n".join(filter(None, pool.map(tidy, files)))
    tally.note(f"clang-tidy of {len(files)} files", not output, output, started)


def run_integration(tally, ready):
    if "release" in ready:
        pytest(tally, "release", [])
    if "asan" in ready:
        pytest(tally, "asan", [f"--ignore=test/integration/{name}" for name in NOT_WITH_ASAN])


def pytest(tally, preset, arguments):
    report = REPORTS / f"pytest-{preset}.xml"
    environment = dict(os.environ, TUNMAPD=str(BUILD / preset / "tunmapd"),
                       ASAN_OPTIONS="detect_leaks=1", PYTHONDONTWRITEBYTECODE="1")
    tally.suite(f"integration {preset}",
                ["/usr/bin/python3", "-m", "pytest", "-q", "-rs", "--tb=short", "-p",
                 "no:cacheprovider", f"--junitxml={report}", "test/integration", *arguments],
                report, env=environment)


PARTS = {
    "unit": (PRESETS, run_unit),
    "static": (("release", "clang"), run_static),
    "integration": (("release", "asan"), run_integration),
}


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/test", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", choices=[[], *PARTS], metavar="part",
                        help=f"{', '.join(PARTS)}; default: all")
    parts = parser.parse_args().part or list(PARTS)
    REPORTS.mkdir(parents=True, exist_ok=True)
    tally = Tally()
    wanted = {preset for part in parts for preset in PARTS[part][0]}
    ready = built(tally, [preset for preset in PRESETS if preset in wanted])
    for part in parts:
        PARTS[part][1](tally, ready)
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
