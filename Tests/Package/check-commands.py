#!/usr/bin/env python3
"""Checks that every snapstore command in documents exists, with the options that it is given.

usage: check-commands.py PROGRAM DOCUMENT...

Looked at are `snapstore …` in code spans, and lines of code blocks in which it is a word of its own.
What is told of commands is compared with their help; what they do is not tried.
"""

import re
import subprocess
import sys

BLOCK = re.compile(r"^ *```.*?\n(.*?)^ *```", re.M | re.S)
SPAN = re.compile(r"`([^`]+)`")
COMMAND = re.compile(r"(?:^|[$;|&]|\bdo|\bthen)\s*snapstore\s+([^#|;&>]*)")


def commands(text):
    """The words behind `snapstore` of each command in a document."""
    blocks = [match.group(1) for match in BLOCK.finditer(text)]
    lines = "\n".join(blocks).replace("\\\n", " ").split("\n")
    spans = SPAN.findall(" ".join(BLOCK.sub("", text).split("\n")))
    for line in lines + spans:
        for match in COMMAND.finditer(line):
            yield match.group(1).split()


def help_of(program, words):
    """The help of the longest beginning of the words that is a command, and how many those are."""
    subcommands = []
    for word in words[:2]:
        if not re.fullmatch(r"[a-z]+", word):
            break
        subcommands.append(word)
    while subcommands:
        run = subprocess.run([program, "help", *subcommands], capture_output=True, text=True)
        # The help of something unknown is that of what is above it.
        usage = "snapstore " + " ".join(subcommands)
        if run.returncode == 0 and re.search(rf"USAGE: {usage}\b", run.stdout):
            return run.stdout
        subcommands.pop()
    return None


def main():
    program, *documents = sys.argv[1:]
    count = 0
    faults = []
    for document in documents:
        with open(document, encoding="utf-8") as file:
            text = file.read()
        for words in commands(text):
            if not words or words[0] in ("…", "--version", "help"):
                continue
            count += 1
            told = " ".join(words)
            help_text = help_of(program, words)
            if help_text is None:
                faults.append(f"{document}: there is no command: snapstore {told}")
                continue
            for option in [word for word in words if re.match(r"--[a-z]", word)]:
                if not re.search(rf"{re.escape(option.split('=')[0])}\b", help_text):
                    faults.append(f"{document}: {option} is unknown in: snapstore {told}")
    print("\n".join(faults) or f"{count} commands of {', '.join(documents)} exist")
    if faults or count == 0:
        sys.exit(1)


main()
