"""What is wrong with a Pod or a ReaperTask: one table of rules for linter, policy, webhook, documentation and runtime.

TABLE is in table.py, what a rule is in rule.py, the words of CEL that rules share in cel.py. Everything is pure.
"""
