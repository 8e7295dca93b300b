"""The menu: data that is published, a runner without I/O that walks it, prompts made by text-to-speech."""
