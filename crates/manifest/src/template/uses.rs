//! Which secrets a template may reach, computed once from its text.
//!
//! An abstract rendering: every branch is taken, and of values only that is followed which leads to secrets. What
//! cannot be followed sets [`Uses::any`]; so the result may name too much, never too little.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Generation;
use super::ast::{Command, Expr, ExprKind, Function, Node, Pipe, Program};
use crate::Uses;

/// The secrets that rendering `program` may ask for.
pub(super) fn uses(program: &Program) -> Uses {
    let mut walk = Walk {
        program,
        uses: Uses::default(),
        seen: BTreeSet::new(),
        pending: vec![(&program.main, Reach::Root)],
        variables: Vec::new(),
    };
    while let Some((nodes, dot)) = walk.pending.pop() {
        walk.template(nodes, dot);
    }
    walk.uses
}

/// What a value leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Root,
    Previous,
    Secrets(Generation),
    /// Nothing that was not noted already.
    Nothing,
}

struct Walk<'a> {
    program: &'a Program,
    uses: Uses,
    /// Named templates that were walked already with this data, or will be: recursion ends here.
    seen: BTreeSet<(&'a str, Reach)>,
    /// What is still to be walked. Not a walk within a walk: a chain of calls may be longer than any stack.
    pending: Vec<(&'a [Node], Reach)>,
    variables: Vec<(&'a str, Reach)>,
}

impl<'a> Walk<'a> {
    fn template(&mut self, nodes: &'a [Node], dot: Reach) {
        self.variables = vec![("$", dot)];
        self.list(nodes, dot);
    }

    fn list(&mut self, nodes: &'a [Node], dot: Reach) {
        for node in nodes {
            self.node(node, dot);
        }
    }

    fn node(&mut self, node: &'a Node, dot: Reach) {
        match node {
            Node::Text(_) | Node::Break | Node::Continue => {}
            Node::Action(pipe) => {
                self.pipe(pipe, dot);
            }
            Node::If(branches) => self.scoped(|walk| {
                for (condition, body) in &branches.arms {
                    walk.pipe(condition, dot);
                    walk.scoped(|walk| walk.list(body, dot));
                }
                walk.list(&branches.otherwise, dot);
            }),
            Node::With(branches) => self.scoped(|walk| {
                for (condition, body) in &branches.arms {
                    let inner = walk.pipe(condition, dot);
                    walk.scoped(|walk| walk.list(body, inner));
                }
                walk.list(&branches.otherwise, dot);
            }),
            Node::Range(range) => self.scoped(|walk| {
                let over = walk.pipe(&range.over, dot);
                walk.escapes(over);
                walk.scoped(|walk| walk.list(&range.body, Reach::Nothing));
                walk.list(&range.otherwise, dot);
            }),
            Node::Call(call) => {
                let data = call.argument.as_ref().map_or(Reach::Nothing, |pipe| self.pipe(pipe, dot));
                if let Some((name, nodes)) = self.program.named.get_key_value(&call.name)
                    && self.seen.insert((name, data))
                {
                    self.pending.push((nodes, data));
                }
            }
        }
    }

    fn scoped(&mut self, body: impl FnOnce(&mut Self)) {
        let outer = self.variables.len();
        body(self);
        self.variables.truncate(outer);
    }

    fn pipe(&mut self, pipe: &'a Pipe, dot: Reach) -> Reach {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, dot, last));
        }
        let result = last.unwrap_or(Reach::Nothing);
        for name in &pipe.variables {
            if pipe.assigns {
                // An assignment may happen in a loop or branch: it is not followed.
                self.escapes(result);
            } else {
                self.variables.push((name, result));
            }
        }
        result
    }

    fn command(&mut self, command: &'a Command, dot: Reach, last: Option<Reach>) -> Reach {
        let Some((first, args)) = command.split_first() else { return Reach::Nothing };
        let ExprKind::Function(function) = first.kind else { return self.expr(first, dot) };
        if function == Function::Index
            && let [item, Expr { kind: ExprKind::Text(key), .. }] = args
            && last.is_none()
            && let (Reach::Secrets(generation), Ok(name)) = (self.expr(item, dot), std::str::from_utf8(key))
        {
            self.named(generation, name);
            return Reach::Nothing;
        }
        for arg in args {
            let reach = self.expr(arg, dot);
            self.passed(function, reach);
        }
        if let Some(reach) = last {
            self.passed(function, reach);
        }
        Reach::Nothing
    }

    /// `len` and `not` count secrets and touch none.
    fn passed(&mut self, function: Function, reach: Reach) {
        if !matches!(function, Function::Len | Function::Not) {
            self.escapes(reach);
        }
    }

    fn expr(&mut self, expr: &'a Expr, dot: Reach) -> Reach {
        match &expr.kind {
            ExprKind::Dot => dot,
            ExprKind::Field(fields) => self.fields(dot, fields),
            ExprKind::Variable(name, fields) => {
                let known = self.variables.iter().rev().find(|(known, _)| *known == &**name);
                let start = known.map_or(Reach::Nothing, |(_, reach)| *reach);
                self.fields(start, fields)
            }
            ExprKind::Chain(start, fields) => {
                let start = self.expr(start, dot);
                self.fields(start, fields)
            }
            ExprKind::Pipe(pipe) => self.pipe(pipe, dot),
            _ => Reach::Nothing,
        }
    }

    fn fields(&mut self, start: Reach, fields: &[Arc<str>]) -> Reach {
        fields.iter().fold(start, |reach, field| match (reach, &**field) {
            (Reach::Root, "Secrets") => Reach::Secrets(Generation::Current),
            (Reach::Root, "Previous") => Reach::Previous,
            (Reach::Previous, "Secrets") => Reach::Secrets(Generation::Previous),
            (Reach::Secrets(generation), name) => {
                self.named(generation, name);
                Reach::Nothing
            }
            _ => Reach::Nothing,
        })
    }

    fn named(&mut self, generation: Generation, name: &str) {
        let names = match generation {
            Generation::Current => &mut self.uses.secrets,
            Generation::Previous => &mut self.uses.previous,
        };
        if !names.contains(name) {
            names.insert(name.to_owned());
        }
    }

    fn escapes(&mut self, reach: Reach) {
        self.uses.any |= reach != Reach::Nothing;
    }
}
