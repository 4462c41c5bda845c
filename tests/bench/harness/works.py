"""The table of work that peers are compared by: what it is called, its unit, whether more or less is better."""

WORKS = {
    "load": ("bulk load", "rows/s", "more"),
    "commit": ("durable commit of one row, p50", "ms", "less"),
    "point": ("row by key, p50", "µs", "less"),
    "group": ("GROUP BY", "ms", "less"),
    "filter": ("filter + sum", "ms", "less"),
    "update": ("update of 1 %", "ms", "less"),
}
