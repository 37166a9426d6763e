#!/bin/sh
# Runs one file of tests and says when it begins and how it ends, every line with its name in front: several run at once.
#
# usage: file.sh SECONDS PATTERN FILE    at most so long; only tests whose names match, all when PATTERN is empty
limit=$1 only=$2 file=$3

now() { cut -d. -f1 /proc/uptime; }
{
  echo "begins"
  began=$(now)
  timeout -k 30 "$limit" node --test-reporter=./test/support/reporter.ts ${only:+"--test-name-pattern=$only"} "$file"
  code=$?
  # Out of memory, a fault: the kernel knows.
  if [ $code != 0 ]; then dmesg | tail -n 8; free -m; fi
  echo "ended with $code after $(($(now) - began)) s"
} 2>&1 | sed -u "s|^|$(basename "$file" .test.ts): |"
