#!/usr/bin/python3
"""Power cuts: three nodes on loop-mounted ext4 lose everything that was not on the device."""
# time limit: 900 s
import random
import subprocess
import time

from chaos import (POWER_CUT, Cluster, Load, boottime_us, case, expect, main, mount, need, note,
                   private_mounts, report_gaps, rounds, run, scratch_directory, wait_for_write,
                   wait_until)

IMAGE_MB = 384
CANARY = b"written but never synced" * 1000


class Disks:
    """One ext4 image for each node."""

    def __init__(self, nodes):
        self.directory = scratch_directory()
        self.nodes = nodes
        for node in nodes:
            image = self.image(node)
            with open(image, "wb") as file:
                file.truncate(IMAGE_MB << 20)
            code, _, errors = run([need("mkfs.ext4"), "-q", "-F", image])
            expect(code == 0, errors)
            self.mount_point(node).mkdir()
            self.attach(node)

    def image(self, node):
        return self.directory / f"disk{node}.ext4"

    def mount_point(self, node):
        return self.directory / f"disk{node}"

    def attach(self, node):
        mount("-o", "loop", self.image(node), self.mount_point(node))

    def detach(self, node):
        wait_until(lambda: run(["umount", self.mount_point(node)])[0] == 0, 20,
                   f"disk {node} is unmounted")

    def cut_power(self):
        cuts = [subprocess.Popen([POWER_CUT, self.mount_point(node)], stdin=subprocess.DEVNULL)
                for node in self.nodes]
        for cut in cuts:
            expect(cut.wait(20) == 0, "EXT4_IOC_SHUTDOWN refused")

    def close(self):
        for node in self.nodes:
            run(["umount", "-l", self.mount_point(node)])
            self.image(node).unlink()


def cut_once(cluster, disks):
    canaries = [disks.mount_point(node) / "canary" for node in cluster.all_nodes()]
    for canary in canaries:
        canary.write_bytes(CANARY)
    began = boottime_us()
    disks.cut_power()
    for node in cluster.all_nodes():
        cluster.processes[node].kill()
        disks.detach(node)
        disks.attach(node)
    for canary in canaries:
        expect(not canary.exists() or canary.read_bytes() != CANARY,
               "unsynced data survived: the power cut was none")
    for node in cluster.all_nodes():
        cluster.start(node)
    cluster.wait_ready()
    return began


@case("a power cut of all three disks under load loses no acknowledged write")
def cut_all():
    private_mounts()
    disks = Disks([1, 2, 3])
    directories = {node: disks.mount_point(node) / "data" for node in disks.nodes}
    try:
        with Cluster(3, ["--wal-segment-size", "4M"], directories) as cluster:
            cluster.start_all()
            load = Load(cluster.resp_ports())
            faults = []
            for number in range(rounds(2, 10)):
                time.sleep(random.uniform(0.8, 2.0))
                faults.append(cut_once(cluster, disks))
                wait_for_write(cluster.resp(1), "probe", number)
            time.sleep(0.5)
            gaps = load.stop()
            report_gaps("power cut of all", faults, gaps)
            note(f"{len(faults)} power cuts")
    finally:
        disks.close()


main()
