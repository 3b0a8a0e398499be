#!/usr/bin/env python3
"""Each policy of a schedule has a test that fails when the policy is broken on purpose.

    broken_policies.py SOURCE BUILD

Breaks one place of consumer/decide.c at a time, links tests/unit/test_decide.c with it, and fails
where the tests still pass.
"""

import pathlib
import shlex
import subprocess
import sys
import tempfile

# What is broken, the place as it stands (exactly once), and what stands there instead.
BROKEN = [
    ("fire_once runs all", "late_us > 0 && is_followed(walk)", "late_us < 0 && is_followed(walk)"),
    ("fire_once does not count", "walk->step->missed++;", ""),
    ("fire_all runs one", "policy->misfire == MISFIRE_FIRE_ONCE &&", "policy->misfire != MISFIRE_SKIP &&"),
    ("misfire skip runs late ones", "policy->misfire == MISFIRE_SKIP && late_us > grace_us", "false"),
    ("grace is not granted", "policy->grace_ms * 1000 + DECIDE_AHEAD_US", "DECIDE_AHEAD_US"),
    ("the window has no end", "late_us > most_us ||", ""),
    ("the start deadline is not heeded", "if (deadline_us && walk->now_us >", "if (false && walk->now_us >"),
    ("the start deadline counts from the fire", "spec_due_us(walk->spec, walk->fire.at_us) + deadline_us",
     "walk->fire.at_us + deadline_us"),
    ("overlap skip keeps", "bool keeps = policy != OVERLAP_SKIP &&", "bool keeps ="),
    ("overlap skip runs", "policy->overlap != OVERLAP_ALLOW_ALL && (walk->busy || walk->kept)", "false"),
    ("overlap allow_all waits", "policy->overlap != OVERLAP_ALLOW_ALL && ", ""),
    ("buffer_one keeps all", "policy == OVERLAP_BUFFER_ALL ? POLICY_KEPT_MOST : 1", "POLICY_KEPT_MOST"),
    ("buffer_all keeps one", "policy == OVERLAP_BUFFER_ALL ? POLICY_KEPT_MOST : 1", "1"),
    ("cancel_other waits", "&& policy->overlap == OVERLAP_CANCEL_OTHER;", "&& false;"),
    ("buffers cancel", "&& policy->overlap == OVERLAP_CANCEL_OTHER;", ";"),
    ("what is kept never goes", "if (walk.kept && !walk.busy &&", "if (false &&"),
    ("what is kept does not wait", "if (walk.kept && !walk.busy &&", "if (walk.kept &&"),
    ("a pause is not heeded", "if (row->paused && row->until_us == DECIDE_NEVER)\n", "if (false)\n"),
    ("what was due in a pause runs unasked", "if (row->paused && !row->catch_up)", "if (false)"),
    ("catch_up is not heeded", "if (row->paused && !row->catch_up)", "if (row->paused)"),
    ("a pause has no end", "row->resume_us <= now_us)", "false)"),
    ("excluded days run", "if (!walk->fire.excluded)\n        return decide_due", "return decide_due"),
    ("max_runs is not heeded", "if (most && walk->step->runs", "if (false && walk->step->runs"),
    ("runs that wait do not count", "walk->step->runs + walk->kept >= most", "walk->step->runs >= most"),
    ("a deleted one keeps", "!walk->row->deleted && walk->kept < most", "walk->kept < most"),
    ("an old definition goes on", "&& ret->at_us < walk->row->until_us", ""),
]


def commands(build, target):
    found = subprocess.run(["ninja", "-C", build, "-t", "commands", target], check=True, capture_output=True, text=True)
    return [shlex.split(line) for line in found.stdout.splitlines() if line]


def compiling(command, source, target):
    """The build's own command, for another file; it says nothing of what it depends on, and may warn."""
    command = [word for word in command if word not in ("-MD", "-Werror")]
    for option in ("-MQ", "-MF"):
        del command[command.index(option):command.index(option) + 2]
    command[command.index("-o") + 1] = target
    command[command.index("-c") + 1] = source
    return command


def main(source, build):
    text = (pathlib.Path(source) / "consumer/decide.c").read_text()
    told = commands(build, "tests/test_unit_decide")
    compile_decide = next(command for command in told if command[-1].endswith("consumer/decide.c"))
    link = next(command for command in told if "-c" not in command and "tests/test_unit_decide" in command)
    unseen = []
    with tempfile.TemporaryDirectory() as folder:
        broken, part, program = (f"{folder}/{name}" for name in ("decide.c", "decide.o", "test"))
        for name, right, wrong in [("nothing", "", ""), *BROKEN]:
            assert not right or text.count(right) == 1, f"{name}: {right} is not there exactly once"
            pathlib.Path(broken).write_text(text.replace(right, wrong) if right else text)
            subprocess.run(compiling(compile_decide, broken, part), check=True, cwd=build, capture_output=True)
            linking = [program if word == "tests/test_unit_decide" else word for word in link]
            subprocess.run([*linking[:1], part, *linking[1:]], check=True, cwd=build, capture_output=True)
            passed = subprocess.run([program], cwd=build, capture_output=True, timeout=60).returncode == 0
            print(f"{name}: {'passes' if passed else 'is seen'}")
            if passed != (name == "nothing"):
                unseen.append(name)
    print(f"{len(BROKEN)} broken on purpose, {len(unseen)} not as they should be: {', '.join(unseen) or 'none'}")
    return bool(unseen)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
