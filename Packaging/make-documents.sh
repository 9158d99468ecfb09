#!/bin/sh
# Writes what shells and man(1) read about a built program: FOLDER/man1 and FOLDER/completions.
# usage: make-documents.sh PROGRAM FOLDER
# They are made from the program itself and kept nowhere, so they can't be out of date; what can be
# wrong with them is looked for here, with those of the tools below that are installed.
set -eu
program=$1
folder=$2
here=$(dirname "$0")

rm -rf "$folder"
mkdir -p "$folder/completions"
"$here/make-manual.py" "$program" "$here/changelog" "$folder/man1"
for shell in bash zsh fish; do
  script=$folder/completions/snapstore.$shell
  # Shells read it, nobody runs it: no #! line.
  "$program" --generate-completion-script "$shell" | sed '1{/^#!/d}' >"$script"
  grep -q no-verify-writes "$script"  # a script that knows nothing is one too
  ! command -v "$shell" >/dev/null || "$shell" -n "$script"
done
for page in "$folder"/man1/*.1; do
  if command -v groff >/dev/null; then
    warnings=$(groff -man -ww -z "$page" 2>&1)
    [ -z "$warnings" ] || { echo "$warnings" >&2; exit 1; }
  fi
  ! command -v mandoc >/dev/null || mandoc -T lint -W warning "$page"
done
