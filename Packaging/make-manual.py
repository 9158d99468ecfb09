#!/usr/bin/env python3
"""Writes the manual pages from what the program tells about itself.

usage: make-manual.py PROGRAM CHANGELOG FOLDER

The command definitions are the only source: options come from --experimental-dump-help, the
synopsis from each command's help, and the sections that all pages have (environment, files, exit
codes) from the program's own help. The date is that of the last release in CHANGELOG.
"""

import email.utils
import json
import os
import pathlib
import re
import subprocess
import sys

HEADING = re.compile(r"([A-Z][A-Z ]+):")
# What the program's help calls otherwise than manual pages do.
TITLES = {"EXIT CODES": "EXIT STATUS"}
SHARED = ["ENVIRONMENT", "FILES", "EXIT STATUS"]


class Program:
    def __init__(self, path, changelog):
        self.path = path
        self.version = self.output("--version").strip()
        date = re.search(r"^ -- .*>  (.*)$", pathlib.Path(changelog).read_text(), re.M).group(1)
        self.date = email.utils.parsedate_to_datetime(date).strftime("%Y-%m-%d")
        self.root = Command(json.loads(self.output("--experimental-dump-help"))["command"], [])
        end_of_subcommands = "for detailed help.\n"
        self.sections = sections(self.output("--help").split(end_of_subcommands)[1])[1]

    def output(self, *arguments):
        environment = {**os.environ, "COLUMNS": "80"}
        return subprocess.run([self.path, *arguments], check=True, text=True,
                              stdout=subprocess.PIPE, env=environment).stdout

    def usage(self, command):
        help_text = self.output(*command.words[1:], "--help")
        lines = re.search(r"^USAGE: (.*?)\n\n", help_text, re.M | re.S).group(1).split("\n")
        return [lines[0]] + [line.removeprefix(" " * len("USAGE: ")) for line in lines[1:]]


class Command:
    def __init__(self, value, parents):
        self.words = parents + [value["commandName"]]
        self.abstract = value["abstract"]
        self.description, self.sections = sections(value.get("discussion", ""))
        self.arguments = [each for each in value.get("arguments", []) if each["shouldDisplay"]]
        self.subcommands = [Command(each, self.words) for each in value.get("subcommands", [])
                            if each["commandName"] != "help" and each["shouldDisplay"]]

    @property
    def page(self):
        return "-".join(self.words)

    def all(self):
        return [self] + [each for command in self.subcommands for each in command.all()]


def sections(text):
    """The paragraphs before the first heading, and the lines below each heading."""
    found, lines = {}, []
    start = lines
    for line in text.strip("\n").split("\n"):
        heading = HEADING.fullmatch(line)
        if heading:
            title = heading.group(1)
            lines = found.setdefault(TITLES.get(title, title), [])
        else:
            lines.append(line)
    trimmed = {title: "\n".join(lines).strip("\n").split("\n") for title, lines in found.items()}
    paragraphs = [each for each in re.split(r"\n\s*\n", "\n".join(start).strip()) if each]
    return paragraphs, trimmed


def plain(text):
    """Text that roff shows as it is, and that can be copied from the page."""
    marks = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "~": r"\(ti", "^": r"\(ha"}
    text = "".join(marks.get(character, character) for character in text)
    return "\\&" + text if text.startswith(".") else text


def bold(text):
    return rf"\fB{plain(text)}\fR"


def italic(text):
    return rf"\fI{plain(text)}\fR"


def option_label(argument):
    value = f"<{argument['valueName']}>"
    if argument["kind"] == "positional":
        return italic(value)
    names = [("--" if each["kind"] == "long" else "-") + each["name"]
             for each in argument["names"]]
    label = ", ".join(bold(each) for each in names)
    return label if argument["kind"] == "flag" else f"{label} {italic(value)}"


def option_text(argument):
    text = argument.get("abstract", "")
    if "defaultValue" in argument:
        text += f" (default: {argument['defaultValue']})"
    return text


def entries(lines):
    """Terms and what they mean: a term stands two columns in, its meaning beside or below it."""
    found = []
    for line in lines:
        term = re.fullmatch(r"  (\S+)(?:\s{2,}(.*))?", line)
        if term:
            found.append((term.group(1), [term.group(2)] if term.group(2) else []))
        else:
            found[-1][1].append(line.strip())
    return [(term, " ".join(words)) for term, words in found]


def page(program, command):
    title = command.page.upper()
    abstract = command.abstract.rstrip(".")
    lines = [
        f'.TH "{plain(title)}" 1 "{program.date}" "{plain(program.version)}" "User Commands"',
        ".SH NAME",
        f"{plain(command.page)} \\- {plain(abstract[0].lower() + abstract[1:])}",
        ".SH SYNOPSIS", ".nf",
    ]
    name = " ".join(command.words)
    for line in program.usage(command):
        lines.append(bold(name) + plain(line[len(name):]) if line.startswith(name)
                     else plain(line))
    lines += [".fi", ".SH DESCRIPTION", plain(command.abstract)]
    for paragraph in command.description:
        lines += [".PP", plain(paragraph)]
    if command.subcommands:
        lines.append(".SH COMMANDS")
        for each in command.all()[1:]:
            if not each.subcommands:
                lines += [".TP", rf"{bold(each.page)}(1)", plain(each.abstract)]
    for kind, heading in [(True, "ARGUMENTS"), (False, "OPTIONS")]:
        of_kind = [each for each in command.arguments if (each["kind"] == "positional") == kind]
        if of_kind:
            lines.append(f".SH {heading}")
        for argument in of_kind:
            lines += [".TP", option_label(argument), plain(option_text(argument))]
    for heading in SHARED:
        lines.append(f".SH {heading}")
        for term, meaning in entries(program.sections[heading]):
            lines += [".TP", bold(term), plain(meaning)]
    examples = program.sections if command is program.root else command.sections
    if "EXAMPLES" in examples:
        lines += [".SH EXAMPLES", ".nf", *map(plain, examples["EXAMPLES"]), ".fi"]
    others = [each for each in program.root.all() if each is not command]
    lines += [".SH SEE ALSO",
              ",\n".join(rf"{bold(each.page)}(1)" for each in others)]
    return "\n".join(lines) + "\n"


def main():
    path, changelog, folder = sys.argv[1:]
    program = Program(os.path.abspath(path), changelog)
    target = pathlib.Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for command in program.root.all():
        (target / f"{command.page}.1").write_text(page(program, command))


if __name__ == "__main__":
    main()
