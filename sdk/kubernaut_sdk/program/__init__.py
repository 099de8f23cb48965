"""The program `kubernaut-action`: its verbs, and its one JSON object on standard output."""
