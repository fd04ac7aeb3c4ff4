#!/bin/sh
# Installs the real PDS beside this script (about 700 MB in node_modules, two to three minutes).
#
# The PDS needs Node.js 22, so that comes as a package too, and the one native module must be compiled against its headers:
# therefore everything is unpacked first, and only then that module's install script runs, with that Node.js in front.
set -eu
cd "$(dirname "$0")"
npm ci --ignore-scripts
node_home=$(echo "$PWD"/node_modules/node-*-*/include/node)
node_home=${node_home%/include/node}
PATH="$node_home/bin:$PATH" npm_config_nodedir="$node_home" npm rebuild better-sqlite3
