#!/bin/sh
# Made by formwork. Joins the local NVMe disks of an EC2 instance to one file system, at every boot:
# they are empty after the instance was stopped, and keep their content over a reboot.
#
# usage: formwork-scratch raid0|lvm CHUNK_KIB xfs|ext4 MOUNT_POINT MOUNT_OPTIONS DISKS
#
# It touches nothing but instance storage, formats nothing that has a file system, and does nothing
# if something is mounted already. Exit: 2 usage, 3 not as many disks, 4 a disk is in use, 5 another
# file system is there.
set -eu
[ $# -eq 6 ] || { echo "formwork-scratch: six arguments are needed" >&2; exit 2; }
layout=$1 chunk=$2 fs=$3 mount=$4 options=$5 wanted=$6

mountpoint -q "$mount" && exit 0

disks=$(
    for link in /dev/disk/by-id/nvme-Amazon_EC2_NVMe_Instance_Storage_*; do
        case $link in *-part*) continue ;; esac
        if [ -e "$link" ]; then readlink -f "$link"; fi
    done | sort -u
)
# Device names have no spaces.
# shellcheck disable=SC2086
set -- $disks
if [ $# -ne "$wanted" ]; then
    echo "formwork-scratch: $# local disks, $wanted expected" >&2
    exit 3
fi
for disk; do
    if findmnt -rn -S "$disk" >/dev/null; then
        echo "formwork-scratch: $disk is mounted" >&2
        exit 4
    fi
done

case $layout in
raid0)
    device=/dev/md/formwork
    if [ ! -e "$device" ]; then
        # Disks that were joined before are put together again, and never joined anew.
        known=no
        for disk; do
            if mdadm --examine "$disk" >/dev/null 2>&1; then known=yes; fi
        done
        if [ "$known" = yes ]; then
            mdadm --assemble "$device" "$@"
        else
            mdadm --create "$device" --run --force --homehost=any --name=formwork \
                --level=0 --chunk="$chunk" --raid-devices=$# "$@"
        fi
        udevadm settle
    fi
    ;;
lvm)
    device=/dev/formwork/scratch
    if ! vgs formwork >/dev/null 2>&1; then
        pvcreate -qy "$@"
        vgcreate -q formwork "$@"
    fi
    lvs formwork/scratch >/dev/null 2>&1 ||
        lvcreate -qy -n scratch -l 100%FREE -i $# -I "${chunk}k" formwork
    vgchange -q -ay formwork
    udevadm settle
    ;;
*)
    echo "formwork-scratch: no such layout" >&2
    exit 2
    ;;
esac

there=$(blkid -o value -s TYPE "$device" || true)
if [ -z "$there" ]; then
    # Instance storage is trimmed when it is allocated: discarding 30 TB again takes minutes.
    case $fs in
    xfs) mkfs.xfs -q -K "$device" ;;
    ext4) mkfs.ext4 -q -E nodiscard "$device" ;;
    *) exit 2 ;;
    esac
elif [ "$there" != "$fs" ]; then
    echo "formwork-scratch: $device has $there, not $fs" >&2
    exit 5
fi
mkdir -p "$mount"
mount -t "$fs" -o "$options" "$device" "$mount"
chmod 1777 "$mount"
