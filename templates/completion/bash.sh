# shellcheck shell=bash
# bash completion for PROGRAM                                           -*- shell-script -*-
_PROGRAM_complete() {
    local IFS=$'\n' word
    # The words up to the cursor; bash parts them at = and :, and PROGRAM puts them together again.
    mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" __complete bash "$COMP_CWORD" "${COMP_WORDS[@]}" 2>/dev/null)
    if [ ${#COMPREPLY[@]} -eq 1 ]; then
        case ${COMPREPLY[0]} in *[:=]) compopt -o nospace ;; esac
    fi
    word=${COMP_WORDS[COMP_CWORD]}
    case $word in [:=]) word= ;; esac
    mapfile -t COMPREPLY < <(compgen -W "${COMPREPLY[*]}" -- "$word")
}
complete -o default -F _PROGRAM_complete PROGRAM
