shown=$(systemctl show docker.service docker.socket -p Id,LoadState,ActiveState,UnitFileState,FragmentPath,DropInPaths,Job)
printf '%s\n' "$shown" | text units
# Only the service: the paths of the socket come second.
for path in $(printf '%s\n' "$shown" | sed -n -e '/^$/q' -e 's/^FragmentPath=//p' -e 's/^DropInPaths=//p'); do
    file "unit $path" "$path"
done
