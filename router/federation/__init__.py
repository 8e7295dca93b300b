"""Between centres. national.py: who places; links.py: a centre's ways out; clerk.py: what frames do to the store; rest: shells."""
