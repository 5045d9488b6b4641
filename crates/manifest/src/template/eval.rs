//! Renders a [`Program`]. Work, output, text made on the way and depth are bounded.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::ast::{Branches, Call, Command, Expr, ExprKind, Function, Loop, Node, Pipe, Program};
use super::buffer::{Buffer, text};
use super::value::Value;
use super::{Dialect, Fail, Source, builtins, fields, format};

/// Longest output, in bytes.
pub(super) const MAX_OUTPUT: usize = 16 << 20;
/// Most steps: nodes, operands, iterations.
const MAX_STEPS: usize = 1_000_000;
/// Most bytes made by functions over one rendering.
const MAX_MADE: usize = 64 << 20;
/// Bytes that cost about as much as a step.
const BYTES_PER_STEP: usize = 64;
/// Variables that are looked at for a step.
const VARIABLES_PER_STEP: usize = 16;
/// Deepest nesting of control structures, parentheses and called templates together.
const MAX_DEPTH: usize = 256;
/// Steps that asking the source counts for.
const SOURCE_STEPS: usize = 20;
/// Bytes that reading a certificate counts for: it is parsed anew each time.
const CERTIFICATE_BYTES: usize = 4096;

/// Renders, and adds to `work` the steps that it took, failed or not.
///
/// # Errors
/// What could not be evaluated, and where.
pub(super) fn render(
    program: &Program,
    dialect: Dialect,
    source: &dyn Source,
    work: &mut usize,
) -> Result<Zeroizing<Vec<u8>>, Fail> {
    let mut eval = Eval {
        program,
        dialect,
        source,
        out: Buffer::new(MAX_OUTPUT),
        variables: vec![("$", Value::Root)],
        steps: MAX_STEPS,
        made: MAX_MADE,
        depth: 0,
    };
    let flow = eval.list(&Value::Root, &program.main);
    let made = MAX_MADE - eval.made + eval.out.len();
    *work = work.saturating_add(MAX_STEPS - eval.steps + made / BYTES_PER_STEP);
    flow.map(|_| eval.out.finish())
}

struct Eval<'a> {
    program: &'a Program,
    dialect: Dialect,
    source: &'a dyn Source,
    out: Buffer,
    variables: Vec<(&'a str, Value)>,
    steps: usize,
    made: usize,
    depth: usize,
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl<'a> Eval<'a> {
    fn list(&mut self, dot: &Value, nodes: &'a [Node]) -> Result<Flow, Fail> {
        for node in nodes {
            let flow = self.node(dot, node)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, dot: &Value, node: &'a Node) -> Result<Flow, Fail> {
        match node {
            Node::Text(range) => {
                self.spend(range.start, 1)?;
                let text = self.program.source.get(range.clone()).unwrap_or_default();
                self.write(range.start, |out| out.push(text.as_bytes()))?;
            }
            Node::Action(pipe) => {
                let value = self.pipe(dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.print(pipe.at, &value)?;
                }
            }
            Node::If(branches) => return self.nested(dot, |eval, dot| eval.branches(dot, branches, false)),
            Node::With(branches) => return self.nested(dot, |eval, dot| eval.branches(dot, branches, true)),
            Node::Range(range) => return self.nested(dot, |eval, dot| eval.range(dot, range)),
            Node::Call(call) => {
                self.call(dot, call)?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn print(&mut self, at: usize, value: &Value) -> Result<(), Fail> {
        match value {
            Value::Nil => self.write(at, |out| out.push(b"<no value>")),
            value => self.write(at, |out| format::write_plain(out, value)),
        }
    }

    /// Writes to the output. A variable's value ends at a NUL byte for every program that reads it.
    fn write(
        &mut self,
        at: usize,
        write: impl FnOnce(&mut Buffer) -> Result<(), String>,
    ) -> Result<(), Fail> {
        let start = self.out.len();
        write(&mut self.out).map_err(|why| Fail::new(at, why))?;
        if self.dialect == Dialect::Env && self.out.since(start).contains(&0) {
            return Err(Fail::new(at, "a NUL byte cannot stand in a variable: use base64 or hex"));
        }
        Ok(())
    }

    /// A control structure: its variables end with it.
    fn nested(
        &mut self,
        dot: &Value,
        body: impl FnOnce(&mut Self, &Value) -> Result<Flow, Fail>,
    ) -> Result<Flow, Fail> {
        let outer = self.variables.len();
        self.depth += 1;
        let flow = body(self, dot)?;
        self.depth -= 1;
        self.variables.truncate(outer);
        Ok(flow)
    }

    fn branches(&mut self, dot: &Value, branches: &'a Branches, moves_dot: bool) -> Result<Flow, Fail> {
        for (condition, body) in &branches.arms {
            let value = self.pipe(dot, condition)?;
            if self.truth(condition.at, &value)? {
                return self.list(if moves_dot { &value } else { dot }, body);
            }
        }
        self.list(dot, &branches.otherwise)
    }

    fn truth(&self, at: usize, value: &Value) -> Result<bool, Fail> {
        builtins::truth(value, self.source).map_err(|why| Fail::new(at, why))
    }

    fn range(&mut self, dot: &Value, range: &'a Loop) -> Result<Flow, Fail> {
        let (at, source) = (range.over.at, self.source);
        let over = self.pipe(dot, &range.over)?;
        let ran = match &over {
            Value::Int(_) if range.over.variables.len() > 1 => {
                return Err(Fail::new(at, "range over a number takes one variable"));
            }
            Value::Int(end) => self.rounds(range, (0..*end).map(|n| Ok((Value::Int(n), Value::Int(n)))))?,
            Value::List(items) => {
                let items = (0i64..).zip(items.iter());
                self.rounds(range, items.map(|(i, item)| Ok((Value::Int(i), item.clone()))))?
            }
            Value::Secrets(generation) => {
                // The names are collected before the first round, which may be the last.
                self.spend(at, source.count(*generation))?;
                let element = |name: &str| {
                    let value = fields::field(source, &over, &Arc::from(name));
                    value.map(|value| (Value::Text(text(name)), value)).map_err(|why| Fail::new(at, why))
                };
                self.rounds(range, source.names(*generation).into_iter().map(element))?
            }
            Value::Nil | Value::Missing(_) => false,
            other => return Err(Fail::new(at, format!("range does not go over {}", other.kind()))),
        };
        if ran { Ok(Flow::On) } else { self.list(dot, &range.otherwise) }
    }

    /// A round for each pair of key and element, until one breaks; whether there was any.
    fn rounds(
        &mut self,
        range: &'a Loop,
        elements: impl Iterator<Item = Result<(Value, Value), Fail>>,
    ) -> Result<bool, Fail> {
        let mut ran = false;
        for element in elements {
            let (key, element) = element?;
            ran = true;
            if self.iteration(range, key, element)? == Flow::Break {
                break;
            }
        }
        Ok(ran)
    }

    /// One round of a `range`. With one variable it is the element, with two the first is the key.
    fn iteration(&mut self, range: &'a Loop, key: Value, element: Value) -> Result<Flow, Fail> {
        self.spend(range.over.at, 2)?;
        let outer = self.variables.len();
        let values = match range.over.variables.len() {
            0 => Vec::new(),
            1 => vec![element.clone()],
            _ => vec![key, element.clone()],
        };
        for (name, value) in range.over.variables.iter().zip(values) {
            self.set(range.over.at, name, value)?;
        }
        let flow = self.list(&element, &range.body)?;
        self.variables.truncate(outer);
        Ok(flow)
    }

    /// Counts as work even if the template is empty: calls can double with each template that calls another twice.
    fn call(&mut self, dot: &Value, call: &'a Call) -> Result<(), Fail> {
        self.spend(call.at, 1)?;
        let program = self.program;
        let Some(nodes) = program.named.get(&call.name) else {
            return Err(Fail::new(call.at, format!("template {:?} is not defined", call.name)));
        };
        let data = match &call.argument {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Value::Nil,
        };
        self.deeper(call.at)?;
        let outer = std::mem::replace(&mut self.variables, vec![("$", data.clone())]);
        self.list(&data, nodes)?;
        self.variables = outer;
        self.depth -= 1;
        Ok(())
    }

    fn pipe(&mut self, dot: &Value, pipe: &'a Pipe) -> Result<Value, Fail> {
        self.deeper(pipe.at)?;
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(dot, command, last)?);
        }
        let value = last.unwrap_or(Value::Nil);
        for name in &pipe.variables {
            if pipe.assigns {
                self.set(pipe.at, name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        self.depth -= 1;
        Ok(value)
    }

    fn set(&mut self, at: usize, name: &str, value: Value) -> Result<(), Fail> {
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => return Err(Fail::new(at, format!("undefined variable {name:?}"))),
        }
        Ok(())
    }

    fn command(&mut self, dot: &Value, command: &'a Command, last: Option<Value>) -> Result<Value, Fail> {
        let Some((first, args)) = command.split_first() else { return Ok(Value::Nil) };
        if let ExprKind::Function(function) = first.kind {
            self.spend(first.at, 1)?;
            return self.function(dot, first.at, function, args, last);
        }
        if !args.is_empty() || last.is_some() {
            return Err(Fail::new(first.at, "an argument is given to what is no function"));
        }
        if matches!(first.kind, ExprKind::Nil) {
            return Err(Fail::new(first.at, "nil is not a command"));
        }
        self.expr(dot, first)
    }

    fn function(
        &mut self,
        dot: &Value,
        at: usize,
        function: Function,
        args: &'a [Expr],
        last: Option<Value>,
    ) -> Result<Value, Fail> {
        let given = args.len() + usize::from(last.is_some());
        let (least, most) = function.arity();
        if given < least || given > most {
            let wanted = if least == most { least.to_string() } else { format!("at least {least}") };
            let name = function.name();
            return Err(Fail::new(
                at,
                format!("wrong number of arguments for {name}: want {wanted}, got {given}"),
            ));
        }
        if matches!(function, Function::And | Function::Or) {
            return self.short_circuit(dot, at, function == Function::Or, args, last);
        }
        let mut values = Vec::with_capacity(given);
        for arg in args {
            values.push(self.expr(dot, arg)?);
        }
        values.extend(last);
        self.spend_on_arguments(at, function, &values)?;
        let limit = self.made.min(MAX_OUTPUT);
        let value =
            builtins::call(function, &values, self.source, limit).map_err(|why| Fail::new(at, why))?;
        if let Value::Text(bytes) = &value {
            self.made = self.made.saturating_sub(bytes.len());
        }
        Ok(value)
    }

    /// The first argument that decides, or the last one; later ones are not evaluated.
    fn short_circuit(
        &mut self,
        dot: &Value,
        at: usize,
        until: bool,
        args: &'a [Expr],
        last: Option<Value>,
    ) -> Result<Value, Fail> {
        let mut value = Value::Nil;
        for arg in args {
            value = self.expr(dot, arg)?;
            if self.truth(at, &value)? == until {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    /// Functions whose work is not bounded by what they make.
    fn spend_on_arguments(&mut self, at: usize, function: Function, values: &[Value]) -> Result<(), Fail> {
        use Function as F;
        match function {
            F::Pem | F::Hex | F::Raw | F::Base64 | F::String | F::Len | F::Index | F::Not => {
                self.spend(at, SOURCE_STEPS)
            }
            F::Eq | F::Ne | F::Lt | F::Le | F::Gt | F::Ge | F::Printf => {
                let read = values.iter().map(|value| match value {
                    Value::Text(bytes) => bytes.len(),
                    _ => 0,
                });
                self.make(at, read.sum())
            }
            _ => Ok(()),
        }
    }

    fn expr(&mut self, dot: &Value, expr: &'a Expr) -> Result<Value, Fail> {
        self.spend(expr.at, 1)?;
        Ok(match &expr.kind {
            ExprKind::Dot => dot.clone(),
            ExprKind::Nil => Value::Nil,
            ExprKind::Bool(truth) => Value::Bool(*truth),
            ExprKind::Int(number) => Value::Int(*number),
            ExprKind::Float(number) => Value::Float(*number),
            ExprKind::Text(bytes) => Value::Text(bytes.clone()),
            ExprKind::Field(names) => self.fields(expr.at, dot.clone(), names)?,
            ExprKind::Variable(name, names) => {
                let value = self.variable(expr.at, name)?;
                self.fields(expr.at, value, names)?
            }
            ExprKind::Function(function) => self.function(dot, expr.at, *function, &[], None)?,
            ExprKind::Pipe(pipe) => self.pipe(dot, pipe)?,
            ExprKind::Chain(start, names) => {
                let value = self.expr(dot, start)?;
                self.fields(expr.at, value, names)?
            }
        })
    }

    /// Looking for a variable is part of the work: a step for some of those that stand before it.
    fn variable(&mut self, at: usize, name: &str) -> Result<Value, Fail> {
        let found = self.variables.iter().rev().enumerate().find(|(_, (known, _))| *known == name);
        let Some((before, (_, value))) = found else {
            return Err(Fail::new(at, format!("undefined variable {name:?}")));
        };
        let value = value.clone();
        self.spend(at, before / VARIABLES_PER_STEP)?;
        Ok(value)
    }

    fn fields(&mut self, at: usize, mut value: Value, names: &[Arc<str>]) -> Result<Value, Fail> {
        for name in names {
            self.spend(at, 1)?;
            if matches!(value, Value::Part(..)) {
                self.make(at, CERTIFICATE_BYTES)?;
            }
            value = fields::field(self.source, &value, name).map_err(|why| Fail::new(at, why))?;
        }
        Ok(value)
    }

    fn spend(&mut self, at: usize, steps: usize) -> Result<(), Fail> {
        self.steps = self.steps.checked_sub(steps).ok_or_else(|| {
            Fail::new(at, format!("the template does too much work (the limit is {MAX_STEPS} steps)"))
        })?;
        Ok(())
    }

    fn make(&mut self, at: usize, bytes: usize) -> Result<(), Fail> {
        self.made = self
            .made
            .checked_sub(bytes)
            .ok_or_else(|| Fail::new(at, "the template makes too much text (the limit is 64 MiB of work)"))?;
        Ok(())
    }

    fn deeper(&mut self, at: usize) -> Result<(), Fail> {
        if self.depth >= MAX_DEPTH {
            return Err(Fail::new(
                at,
                format!("nested deeper than {MAX_DEPTH} levels, or endless recursion"),
            ));
        }
        self.depth += 1;
        Ok(())
    }
}
