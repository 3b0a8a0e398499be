#!/usr/bin/env bash
# settings_docs.sh PROGRAM FILE: the file must say what the program's table says.
set -euo pipefail
unset "${!ROTA_@}"
diff -u "$2" <("$1" --settings)
