#!/bin/bash
# Runs examples/cluster/embed.slurm on a real Slurm, a controller and one node on this machine, with one task killed and
# one requeued, and compares the output with that of a single run. As root, with slurm-wlm and munge installed and no
# other Slurm running. BEIT_BUILD_DIR: where beit-embed is.
set -euo pipefail
[[ $(id -u) -eq 0 ]] || exec sudo --non-interactive BEIT_BUILD_DIR="${BEIT_BUILD_DIR:-}" "$0"
root=$(cd "$(dirname "$0")/../.." && pwd)
BEIT_EMBED=$(realpath "${BEIT_BUILD_DIR:-$root/build-release}/beit-embed")
export BEIT_EMBED
work=$(mktemp -d)
tasks=4 images=3200 shard_size=100

fail() {
  echo "tests/slurm: $*" >&2
  tail -n 20 "$work"/*.log >&2 || true
  exit 1
}

# Waits at most $1 seconds for the rest to succeed.
wait_for() {
  local end=$((SECONDS + $1))
  until "${@:2}"; do
    [[ $SECONDS -lt $end ]] || fail "waited too long for: ${*:2}"
    sleep 0.2
  done
}

daemons=()
stop() {
  scancel --me 2>/dev/null || true
  for daemon in "${daemons[@]}"; do kill "$daemon" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap stop EXIT

start_slurm() {
  local host
  host=$(hostname -s)
  export SLURM_CONF=$work/slurm.conf
  mkdir "$work/munge" "$work/state" "$work/spool"
  dd if=/dev/urandom of="$work/munge/key" bs=1024 count=1 status=none
  chown -R munge:munge "$work/munge"
  chmod 700 "$work/munge/key"
  # A socket and key of our own: nothing of the machine's configuration is touched.
  chmod 711 "$work" "$work/munge"
  cat >"$SLURM_CONF" <<CONF
ClusterName=beit
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CredType=cred/munge
SlurmUser=root
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmdSpoolDir=$work/spool
StateSaveLocation=$work/state
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0
ReturnToService=2
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc)
PartitionName=debug Nodes=ALL Default=YES State=UP
CONF
  setpriv --reuid munge --regid munge --clear-groups munged --foreground --force --socket="$work/munge/socket" \
    --key-file="$work/munge/key" --pid-file="$work/munge/pid" --log-file="$work/munge/log" \
    --seed-file="$work/munge/seed" 2>/dev/null &
  daemons+=($!)
  wait_for 10 test -S "$work/munge/socket"
  slurmctld -D 2>/dev/null &
  daemons+=($!)
  slurmd -D 2>/dev/null &
  daemons+=($!)
  wait_for 30 node_is_idle
}
node_is_idle() { [[ $(sinfo -h -o %T 2>/dev/null) == idle ]]; }

# Small images, of which a few can't be read: a sample under many names.
make_images() {
  local sample i
  sample=("$root"/examples/data/fashion_mnist/*.png)
  mkdir "$work/photos"
  for ((i = 0; i < images; ++i)); do
    ln -s "${sample[i % ${#sample[@]}]}" "$work/photos/$(printf %05d "$i").png"
  done
  for i in 17 1234; do ln -sf "$work/nothing" "$work/photos/$(printf %05d "$i").png"; done
}

# The number of shards of task $1 that are done.
done_by() {
  local file count=0
  for file in "$work"/out/done/done_?????.json; do
    [[ -e $file ]] || continue
    file=${file##*_}
    ((10#${file%.json} % tasks != $1)) || count=$((count + 1))
  done
  echo "$count"
}
has_begun() { [[ $(done_by "$1") -gt 0 ]]; }
has_ended() { [[ -z $(squeue -h -j "$1" 2>/dev/null) ]]; }
is_pending() { [[ $(state_of "$1") == PENDING ]]; }
state_of() { scontrol show job "$1" | sed -n 's/.*JobState=\([A-Z]*\).*/\1/p'; }

# Slurm lets a requeued job wait for two minutes.
requeue() {
  scontrol requeue "$1"
  wait_for 30 is_pending "$1"
  scontrol update JobId="$1" StartTime=now
}

make_images
start_slurm
cd "$work"
# submit ARRAY [OPTION OF beit-embed]...: prints the job's number. Task i has share i % tasks.
submit() {
  sbatch --parsable --array="$1" --cpus-per-task=1 --mem=0 "$root/examples/cluster/embed.slurm" photos out \
    --shard-size $shard_size "${@:2}"
}

job=$(submit 1-$tasks)
wait_for 30 has_begun 1
requeue "${job}_1"
wait_for 30 has_begun 2
scancel --signal=KILL --full "${job}_2"
wait_for 120 has_ended "$job"

# The killed task is the one that failed, and what it has left is missing.
killed=$(state_of "${job}_2")
[[ $killed != COMPLETED ]] || fail "the killed task was faster than the signal"
for task in 1 3 4; do
  [[ $(state_of "${job}_$task") == COMPLETED ]] || fail "task $task: $(state_of "${job}_$task")"
done
[[ $(scontrol show job "${job}_1") == *Restarts=1* ]] || fail "task 1 was not requeued"
if "$BEIT_EMBED" merge out; then fail "the output is complete without the killed task"; fi
[[ $(done_by 2) -lt $(done_by 3) ]] || fail "the killed task has done all its shards"
grep -q "task 0 of $tasks, from SLURM_ARRAY_TASK_ID=4 " "beit-embed-${job}_4.log" || fail "task 4 didn't say its share"
echo "killed: task 2 with $(done_by 2) of $(done_by 3) shards done"

# Started again by hand, as an administrator would.
requeue "${job}_2"
wait_for 120 has_ended "$job"
[[ $(state_of "${job}_2") == COMPLETED ]] || fail "task 2 again: $(state_of "${job}_2")"
"$BEIT_EMBED" merge out
"$BEIT_EMBED" --shard-size $shard_size --output alone photos 2>/dev/null
diff -r out alone || fail "the output differs from that of a single run"
echo "$images images in $tasks tasks, one killed and one requeued: the same bytes as of a single run"

# Two tasks run again in an array of their own, with what they had done removed.
for ((shard = 0; shard < images / shard_size; ++shard)); do
  ((shard % tasks != 1 && shard % tasks != 0)) || rm "out/done/done_$(printf %05d "$shard").json"
done
rm out/failed.jsonl
job=$(submit 1,4 --num-shards $tasks)
wait_for 120 has_ended "$job"
"$BEIT_EMBED" merge out || fail "the output is incomplete after the second array"
diff -r out alone || fail "the output differs after the second array"
echo "tasks 1 and 4 run again by an array of the two: the same bytes"
