#!/usr/bin/env python3
"""Writes optimal_oracle.json: chains over uneven devices with the optimum that OR-Tools' CP-SAT proves, too large to enumerate.

    make_optimal_oracle.py          (needs ortools from PyPI; takes some minutes)

A case is a chain of units over devices that may be used in any order or stay idle, each at most once. `latency` is the least sum of
stage and hop times in nanoseconds, `largest` the least number of bytes on the fullest device; null: no split fits. A unit takes
`bytes * pace` of its device, a hop `hops[from][to]`.
"""
import json
import random
from pathlib import Path

from ortools.sat.python import cp_model


def make_case(seed):
    draw = random.Random(seed)
    units = draw.randint(18, 34)
    devices = draw.randint(5, 8)
    weights = [draw.choice((3000, 5000, 8000))] + [draw.choice((1000, 1000, 1000, 1400)) for _ in range(units - 2)] + [draw.choice((3000, 5000, 8000))]
    fair = sum(weights) / devices
    limits = [int(fair * draw.uniform(0.5, 2.2)) for _ in range(devices)]
    pace = [draw.choice((1, 2, 3, 5)) for _ in range(devices)]
    hops = [[0] * devices for _ in range(devices)]
    for a in range(devices):
        for b in range(a):
            hops[a][b] = hops[b][a] = draw.choice((50, 400, 3000, 9000))
    return {"bytes": weights, "limits": limits, "pace": pace, "hops": hops}


def chain_model(case):
    """Binary variables: on[u][d], and go[u][d][e] for the step from unit u on d to unit u + 1 on e."""
    model = cp_model.CpModel()
    units, devices = range(len(case["bytes"])), range(len(case["limits"]))
    on = [[model.new_bool_var("") for _ in devices] for _ in units]
    go = [[[model.new_bool_var("") for _ in devices] for _ in devices] for _ in units[:-1]]
    for u in units:
        model.add_exactly_one(on[u])
    for u in units[:-1]:
        for d in devices:
            model.add(sum(go[u][d]) == on[u][d])
            model.add(sum(go[u][e][d] for e in devices) == on[u + 1][d])
    for d in devices:
        entries = [go[u][e][d] for u in units[:-1] for e in devices if e != d]
        model.add_at_most_one(entries + [on[0][d]])
        model.add(sum(case["bytes"][u] * on[u][d] for u in units) <= case["limits"][d])
    return model, on, go


def solve(model):
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = 120
    solver.parameters.num_workers = 2
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return None
    assert status == cp_model.OPTIMAL, "not proved in time"
    return round(solver.objective_value)


def least_latency(case):
    model, on, go = chain_model(case)
    units, devices = range(len(case["bytes"])), range(len(case["limits"]))
    model.minimize(sum(case["bytes"][u] * case["pace"][d] * on[u][d] for u in units for d in devices)
                   + sum(case["hops"][d][e] * go[u][d][e] for u in units[:-1] for d in devices for e in devices if d != e))
    return solve(model)


def least_largest(case):
    model, on, _ = chain_model(case)
    units, devices = range(len(case["bytes"])), range(len(case["limits"]))
    largest = model.new_int_var(0, sum(case["bytes"]), "")
    for d in devices:
        model.add(sum(case["bytes"][u] * on[u][d] for u in units) <= largest)
    model.minimize(largest)
    return solve(model)


def main():
    cases = []
    for seed in range(24):
        case = make_case(seed)
        case["latency"], case["largest"] = least_latency(case), least_largest(case)
        cases.append(case)
        print(seed, len(case["bytes"]), "units", len(case["limits"]), "devices:", case["latency"], case["largest"], flush=True)
    lines = ",\n".join(json.dumps(case) for case in cases)
    Path(__file__).with_name("optimal_oracle.json").write_text("[\n" + lines + "\n]\n")


if __name__ == "__main__":
    main()
