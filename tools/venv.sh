#!/bin/sh
# Make the virtual environment with exactly the packages of locks/dev.txt, checked by their hashes: venv.sh FOLDER
set -eu
folder=$1
python=
for candidate in python3.11 python3 python3.12 python3.13 python3.14; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    "$(dirname "$0")/apt.sh" python3:python3-of-3.11-or-later python3-venv:python3-venv
    python=python3
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    "$(dirname "$0")/apt.sh" python3-venv:python3-venv
fi
echo "==> making the virtual environment $folder with $("$python" --version)"
rm -rf "$folder"
"$python" -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r locks/dev.txt
"$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
touch "$folder/.ready"
