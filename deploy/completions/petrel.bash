# SPDX-License-Identifier: Apache-2.0
# bash completion of petrel, made by 'petrel completion bash'
_petrel() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words
	if ((COMP_CWORD == 1)); then
		COMPREPLY=($(compgen -W 'status top nodes groups pods forecast backtest decisions plans drains drain notice explain audit doctor completion help --help --version' -- "$word"))
		return
	fi
	case $before in
	--server | -s)
		return ;;
	--output | -o)
		COMPREPLY=($(compgen -W 'table wide json yaml' -- "$word"))
		return ;;
	--cluster | -c)
		return ;;
	--group | -g)
		return ;;
	--node)
		return ;;
	--kind | -k)
		COMPREPLY=($(compgen -W 'group workload' -- "$word"))
		return ;;
	--horizon)
		COMPREPLY=($(compgen -W 'hour day month' -- "$word"))
		return ;;
	--sort)
		COMPREPLY=($(compgen -W 'cpu demand mem runq io name' -- "$word"))
		return ;;
	--limit | -l)
		return ;;
	--iterations | -n)
		return ;;
	--delay | -d)
		return ;;
	--in)
		return ;;
	--deadline)
		return ;;
	--event | -e)
		COMPREPLY=($(compgen -W 'SPOT_ITN REBALANCE_RECOMMENDATION SCHEDULED_EVENT ASG_LIFECYCLE STATE_CHANGE HEALTH' -- "$word"))
		return ;;
	--cert)
		COMPREPLY=($(compgen -f -- "$word"))
		return ;;
	--key)
		COMPREPLY=($(compgen -f -- "$word"))
		return ;;
	--timeout)
		return ;;
	--ca)
		COMPREPLY=($(compgen -f -- "$word"))
		return ;;
	esac
	case ${COMP_WORDS[1]} in
	status) words=' --server --output --cluster --timeout --ca --no-color --help' ;;
	top) words=' --server --output --cluster --group --sort --limit --iterations --delay --timeout --ca --no-color --help' ;;
	nodes) words=' --server --output --cluster --group --timeout --ca --no-color --help' ;;
	groups) words=' --server --output --cluster --timeout --ca --no-color --help' ;;
	pods) words=' --server --output --cluster --node --limit --timeout --ca --no-color --help' ;;
	forecast) words=' --server --output --cluster --kind --horizon --timeout --ca --no-color --explain --help' ;;
	backtest) words=' --output --help' ;;
	decisions) words=' --server --output --cluster --group --limit --timeout --ca --no-color --help' ;;
	plans) words=' --server --output --cluster --limit --timeout --ca --no-color --help' ;;
	drains) words=' --server --output --cluster --node --limit --iterations --delay --watch --timeout --ca --no-color --help' ;;
	drain) words=' --server --output --cluster --deadline --dry-run --timeout --ca --no-color --help' ;;
	notice) words=' --server --output --cluster --in --event --timeout --ca --no-color --help' ;;
	explain) words=' --server --output --cluster --timeout --ca --no-color --help' ;;
	audit) words=' --server --output --limit --key --timeout --ca --no-color --help' ;;
	doctor) words=' --server --output --cert --timeout --ca --no-color --help' ;;
	completion) words='bash|zsh|fish --help' ;;
	help) words='status top nodes groups pods forecast backtest decisions plans drains drain notice explain audit doctor completion' ;;
	esac
	COMPREPLY=($(compgen -W "${words//|/ }" -- "$word"))
}
complete -F _petrel petrel
