# Records onto the disk until the machine is switched off.
mount_disk
chaos write /disk
echo "@@ failed write $?"
poweroff -f
