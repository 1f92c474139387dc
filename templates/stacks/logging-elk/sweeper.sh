#!/bin/bash
# Throws away the indices of days that are over long enough.
set -u
while :; do
    oldest=$(date -u -d "-$KEEP_DAYS days" +containers-%Y.%m.%d)
    curl -fsS "$ELASTICSEARCH/_cat/indices/containers-*?h=index" | while read -r index; do
        # The names sort as the days do.
        [[ $index < $oldest ]] && curl -fsS -X DELETE "$ELASTICSEARCH/$index" && echo "threw away $index"
    done
    sleep 3600
done
