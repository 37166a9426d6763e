# Thin on purpose: every line calls a script that also runs by itself.
.PHONY: deps demo test fuzz soak bench bench-connect fmt clean

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

bench: deps
	@npm run -s bench

bench-connect: deps
	@npm run -s bench:connect

fmt:
	@npm run -s fmt

clean:
	rm -rf node_modules coverage
