#!/bin/bash
# Training on two machines with four GPUs each:  sbatch scripts/slurm_train.sh --config my.yaml --out runs/mine
# The folder of the run has to be one that both can reach. Stopped by the time limit, it saves a checkpoint:
#                                                sbatch scripts/slurm_train.sh --resume runs/mine
#SBATCH --job-name=seq2see
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120

srun --kill-on-bad-exit=1 seq2see train "$@"
