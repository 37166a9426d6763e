# Thin on purpose: every line calls a script that also runs by itself.
.PHONY: deps demo test fuzz soak chaos hostile bench bench-connect bench-daemon test-bare test-beside test-kernel test-long fmt clean

deps:
	@sh test/lab/install.sh

demo: deps
	@npm run -s demo

test: deps
	@npm run -s test

fuzz: deps
	@npm run -s fuzz

soak: deps
	@npm run -s soak

chaos: deps
	@npm run -s chaos

hostile: deps
	@npm run -s hostile

bench: deps
	@npm run -s bench

bench-connect: deps
	@npm run -s bench:connect

bench-daemon: deps
	@npm run -s bench:daemon

test-bare: deps
	@npm run -s test:bare

test-beside: deps
	@npm run -s test:beside

test-kernel: deps
	@npm run -s test:kernel

test-long: deps
	@npm run -s test:long

fmt:
	@npm run -s fmt

clean:
	rm -rf node_modules coverage
