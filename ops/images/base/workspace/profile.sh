# Shells of a workspace. A login shell has just set Debian's own PATH.
case :$PATH: in
    *:/workspace/.home/.local/bin:*) ;;
    *) PATH=/workspace/.home/.local/bin:/workspace/.home/.npm-global/bin:$PATH ;;
esac
case $- in
    *i*) ;;
    *) return 0 ;;
esac
PS1='\[\e[32m\]\w\[\e[0m\]\$ '
HISTCONTROL=ignoreboth
alias ls='ls --color=auto' ll='ls -l' grep='grep --color=auto'
