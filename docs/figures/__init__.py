"""Pictures and tables of docs/routing.md, and the lines they are made of."""
