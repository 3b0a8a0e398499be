"""Figures: what a workload has measured, each beside its reference, as table, JSON and Markdown.

A figure that is measured several times is told as the median; the JSON holds every sample. A
reference is what the same figure is elsewhere (plain SQL, librdkafka, the empty database, a promise)
and has samples of its own. The ratio is value / reference.
"""

import json
import statistics

COLUMNS = ("workload", "figure", "value", "reference", "ratio")


def in_words(value, unit=""):
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


class Figures:
    def __init__(self, workload):
        self.workload, self.rows = workload, {}

    def add(self, name, value, unit, *references):
        """One sample of the figure, and one of each reference: (value, name)."""
        row = self.rows.setdefault(name, {"name": name, "unit": unit, "samples": [], "references": []})
        row["samples"].append(float(value))
        for held_to, title in references:
            reference = next((known for known in row["references"] if known["name"] == title), None)
            if reference is None:
                reference = {"name": title, "samples": []}
                row["references"].append(reference)
            reference["samples"].append(float(held_to))

    def median(self, name):
        return statistics.median(self.rows[name]["samples"])

    def as_json(self):
        return [with_medians(row) for row in self.rows.values()]


def with_medians(row):
    value, references = statistics.median(row["samples"]), []
    for reference in row["references"]:
        held_to = statistics.median(reference["samples"])
        references.append({**reference, "value": held_to, "ratio": value / held_to if held_to else None})
    return {**row, "value": value, "references": references}


def cells(workload, figure):
    """The lines of the table for a figure as it stands in the JSON: one for each reference."""
    lines, begin = [], (workload, figure["name"], in_words(figure["value"], figure["unit"]))
    for reference in figure["references"]:
        ratio = reference["ratio"]
        lines.append((*begin, f"{in_words(reference['value'], figure['unit'])} ({reference['name']})",
                      "" if ratio is None else f"{ratio:.2f}"))
        begin = ("", "", "")
    return lines or [(*begin, "", "")]


def table(rows):
    rows = [COLUMNS, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(f"{w:{widths[0]}}  {f:{widths[1]}}  {v:>{widths[2]}}  {r:>{widths[3]}}  {q:>{widths[4]}}"
                     .rstrip() for w, f, v, r, q in rows)


# --- docs/performance.md -----------------------------------------------------------------------

BEGIN, END = "<!-- figures: written by bench/run --markdown -->", "<!-- end of figures -->"


def section(name, record):
    machine, versions = record["machine"], record["versions"]
    lines = [f"{machine['cores']} cores, {machine['memory_gib']} GiB of memory;"
             f" PostgreSQL {versions['postgresql']} with fsync, Kafka {versions['kafka']},"
             f" librdkafka {versions['librdkafka']}; commit {versions['commit']}, {record['started'][:10]}."
             f" From [{name}](../bench/results/{name}).", ""]
    for workload in record["workloads"]:
        if "error" in workload:
            lines += [f"`{workload['name']}` has no figures in this run: it failed.", ""]
            continue
        lines += [f"### {workload['name']}", "", "| figure | value | reference | ratio |",
                  "|---|---:|---:|---:|"]
        lines += ["| " + " | ".join(line[1:]) + " |" for figure in workload["figures"]
                  for line in cells("", figure)]
        lines.append("")
    return "\n".join(lines)


def write_markdown(page, results, names):
    """Puts the figures of these files of bench/results between the marks of the page."""
    parts = []
    for name in names:
        record = json.loads((results / name).read_text())
        if record["quick"]:
            raise ValueError(f"{name}: a quick run is no measurement")
        parts.append(section(name, record))
    before, mark, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{page.name} has no place for figures")
    page.write_text(f"{before}{BEGIN}\n\n" + "\n".join(parts) + f"\n{END}{after}")
