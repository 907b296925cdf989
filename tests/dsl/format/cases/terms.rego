package terms

import rego.v1

a := 1 + (2 * 3)
b := (1 - 2) - 3
c := {x | some x in [1, 2]; x > 1}
d := {k: v | some k, v in {"a": 1}}
e := `raw \ text`
f := "tab\tand é \u00e9"
g := $"{a} is {b}, \{ no hole"
h := [1e3, .5, -1.50, null, true, set(), {}, []]
i := data.a["b c"].d[0][a].e
j if not a in h
k := (a | b) | (c & d)
l if 1, 2 in h
