#!/bin/sh
# One node of Slurm on this machine, without systemd: `slurm.sh start FOLDER` and `slurm.sh stop FOLDER`.
# Exit code 77 with a reason where that is impossible: no Debian, no root, no packages.
set -eu
action=$1
folder=$2
name=$(hostname -s)

skip() {
    echo "no Slurm here: $1" >&2
    exit 77
}

install() {
    command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null && return
    command -v apt-get >/dev/null || skip "it is installed by apt-get, which this system has not"
    { apt-get update && apt-get install -y --no-install-recommends slurm-wlm munge; } >"$folder/apt.log" 2>&1 ||
        skip "apt-get cannot install slurm-wlm and munge: $(tail -n 1 "$folder/apt.log")"
}

configure() {
    cores=$(nproc)
    memory=$(slurmd -C | sed -n 's/.*RealMemory=\([0-9]*\).*/\1/p')
    cat >"$folder/slurm.conf" <<CONF
ClusterName=dnnx
SlurmctldHost=$name
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5 # a requeued job waits so long
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=2,batch_sched_delay=0
MinJobAge=3600
KillWait=30
OverTimeLimit=0
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
NodeName=$name NodeHostname=$name CPUs=$cores RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=$name Default=YES MaxTime=INFINITE State=UP PreemptMode=OFF
CONF
}

start() {
    [ "$(id -u)" = 0 ] || skip "its daemons need root"
    mkdir -p "$folder/munge" "$folder/state" "$folder/spool"
    install
    configure
    # munged refuses folders that others can write to, so its files lie beside the configuration
    chmod 755 "$folder" "$folder/munge"
    dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 2>/dev/null
    chmod 400 "$folder/munge/key"
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
        --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" ||
        skip "munged does not start: $(tail -n 1 "$folder/munge/log")"
    SLURM_CONF=$folder/slurm.conf slurmctld -f "$folder/slurm.conf"
    SLURM_CONF=$folder/slurm.conf slurmd -f "$folder/slurm.conf"
    for _ in $(seq 60); do
        if SLURM_CONF=$folder/slurm.conf sinfo --noheader --format=%t 2>/dev/null | grep -qE '^(idle|mix|alloc)'; then
            return
        fi
        sleep 0.5
    done
    stop
    skip "no node came up: $(tail -n 1 "$folder/slurmctld.log")"
}

stop() {
    for pid in slurmd.pid slurmctld.pid munge/pid; do
        [ -f "$folder/$pid" ] && kill "$(cat "$folder/$pid")" 2>/dev/null || true
    done
}

$action
