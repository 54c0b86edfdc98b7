#!/bin/bash
# Every test and measurement that needs a GPU, in 14 minutes at most; results go to $OUT, by default outputs/gpu.
# Usage: [PYTHON=python3] [OUT=folder] benchmarks/gpu.sh
set -u
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
out=${OUT:-outputs/gpu}
mkdir -p "$out"
export PYTHONPATH=src:.:${PYTHONPATH:-}
run() {  # a name, seconds at most, and a command
    echo "== $1"
    timeout "$2" "${@:3}" >"$out/$1.txt" 2>&1
    echo "   exit $?; $(tail -n 1 "$out/$1.txt")"
}
nvidia-smi >"$out/nvidia-smi.txt" 2>&1
run tests 200 "$python" -m pytest tests/training tests/optim tests/test_train.py -k cuda -q -n0 -p no:cacheprovider
run steps 150 "$python" -m benchmarks.gpu
run steps_128 100 "$python" -m benchmarks.gpu batch=128
run arms 120 "$python" -m benchmarks.arms rounds=2
run scaling 130 "$python" -m benchmarks.scaling rounds=3
run bench 130 "$python" -m benchmarks.bench rounds=1
tail -n +1 "$out"/*.txt
