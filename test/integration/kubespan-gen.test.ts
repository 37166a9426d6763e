import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'

/** `kubespan gen` on a machine where the service is installed: an /etc of the test's own, with the service's user in it. */

const PREPARE = `
  mount -t tmpfs tmpfs /mnt
  mkdir /mnt/upper /mnt/work
  mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
  rm -rf /etc/kubespan
  sed -i /^kubespan:/d /etc/group /etc/passwd
  kubespan() { "$program" "$@"; }
  install_service() {
    echo kubespan:x:54321: >>/etc/group
    echo kubespan:x:54321:54321::/:/bin/false >>/etc/passwd
  }
  owner() { stat -c '%U:%G %a' "$1"; }
  reads() { setpriv --reuid "$1" --regid "$1" --clear-groups cat /etc/kubespan/config.yaml >/dev/null 2>&1 && echo "$1 reads"; true; }
`

function told(story: string): readonly string[] {
  const args = ['--mount', 'sh', '-ec', `program=$1 start=$2\n${PREPARE}${story}`, 'sh']
  const { status, stdout, stderr } = spawnSync('unshare', [...args, resolve('bin/kubespan'), beforeStart()], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  return stdout.trim().split('\n')
}

/** What the unit runs as root before the daemon. */
function beforeStart(): string {
  const unit = readFileSync('deploy/systemd/kubespan.service', 'utf8')
  const [, command] = /^ExecStartPre=-\+\/bin\/sh -c '([^'$%]*)'$/m.exec(unit) ?? []
  assert.ok(command !== undefined)
  return command
}

test('where the service is installed, it may read what gen writes for it, and nobody else but root', () => {
  const said = told(`
    install_service
    kubespan gen --endpoint https://discovery.example.org --file /etc/kubespan/config.yaml
    owner /etc/kubespan/config.yaml
    reads 54321
    reads 65534
    kubespan config validate /etc/kubespan/config.yaml
    cd /etc/kubespan
    kubespan gen --endpoint https://discovery.example.org --file other.yaml
    owner other.yaml
    kubespan gen --endpoint https://discovery.example.org --file /mnt/elsewhere.yaml
    owner /mnt/elsewhere.yaml`)
  assert.deepEqual(
    said.filter((line) => !line.includes('valid')),
    ['root:kubespan 640', '54321 reads', 'root:kubespan 640', 'root:root 600'],
  )
})

test('where it is not installed, root alone may read it, until the service starts', () => {
  const said = told(`
    kubespan gen --endpoint https://discovery.example.org --file /etc/kubespan/config.yaml
    owner /etc/kubespan/config.yaml
    install_service
    reads 54321
    sh -c "$start"
    owner /etc/kubespan/config.yaml
    reads 54321
    reads 65534
    chmod 0666 /etc/kubespan/config.yaml
    sh -c "$start"
    reads 65534
    rm /etc/kubespan/config.yaml
    sh -c "$start"
    echo goes on`)
  assert.deepEqual(said, ['root:root 600', 'root:kubespan 640', '54321 reads', 'goes on'])
})

test('a configuration that may not be read is told with what mends it', () => {
  const said = told(`
    kubespan gen --endpoint https://discovery.example.org --file /etc/kubespan/config.yaml
    chown 12345 /etc/kubespan/config.yaml
    # As root that may not do more than others: whose the checkout is, and who may see it, is of no account then.
    setpriv --bounding-set=-dac_override,-dac_read_search \\
      "$program" config validate /etc/kubespan/config.yaml 2>&1 || echo "status $?"`)
  const file = '/etc/kubespan/config.yaml'
  assert.deepEqual(said, [
    `kubespan: ${file}: cannot be read: permission denied (EACCES); for the service: chown root:kubespan ${file} && chmod 0640 ${file}`,
    'status 2',
  ])
})
