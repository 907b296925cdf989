"""Coverage as LCOV's tracefile, which editors and CI services read."""

from __future__ import annotations

from doorward.author.coverage.coverage import Coverage

__all__ = ["lcov"]


def lcov(coverage: Coverage) -> str:
    """A record a file: what each rule and statement says as a function, the least reached of a line as the line's count, and
    for each expression whether it was reached and whether it ever held as two branches.
    """
    lines = []
    for file in coverage.files:
        lines += ["TN:", f"SF:{file.source.name}"]
        heads = [region for region in file.regions if region.head]
        named = [(file.source.position(head.start)[0], f"{file.text(head)[:80]}", head) for head in heads]
        lines += [f"FN:{line},{name}" for line, name, _ in named]
        lines += [f"FNDA:{head.reached},{name}" for _, name, head in named]
        lines += [f"FNF:{len(heads)}", f"FNH:{sum(head.covered for head in heads)}"]
        branches = []
        for block, region in enumerate(region for region in file.regions if not region.head):
            line = file.source.position(region.start)[0]
            failed = region.reached - region.held
            for branch, count in enumerate((region.held, max(0, failed))):
                taken = str(count) if region.reached else "-"
                branches.append((f"BRDA:{line},{block},{branch},{taken}", bool(count)))
        lines += [text for text, _ in branches]
        lines += [f"BRF:{len(branches)}", f"BRH:{sum(taken for _, taken in branches)}"]
        hits = file.lines()
        lines += [f"DA:{line},{count}" for line, count in sorted(hits.items())]
        lines += [f"LF:{len(hits)}", f"LH:{sum(count > 0 for count in hits.values())}", "end_of_record"]
    return "\n".join(lines) + "\n" if lines else ""
