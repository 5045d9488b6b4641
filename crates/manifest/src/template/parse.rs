//! From tokens to a [`Program`], after the grammar of Go's `text/template`.
//!
//! Nesting and the number of operands are bounded: neither the stack nor the memory of the Coordinator depends on
//! what an operator writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::{Branches, Call, Expr, ExprKind, Fields, Function, Loop, Node, Pipe, Program};
use super::buffer::text;
use super::lex::{Kind, Lexer, Token};
use super::scope::Scope;
use super::{Dialect, Fail, literal};

/// Deepest nesting of control structures and parentheses.
const MAX_DEPTH: usize = 100;
/// Most operands and actions in one template.
const MAX_NODES: usize = 200_000;

/// Parses a template.
///
/// # Errors
/// The first thing that is not in the language, and where.
pub(super) fn parse(source: &str, dialect: Dialect) -> Result<Program, Fail> {
    let mut parser = Parser::new(source, dialect);
    let main = parser.top()?;
    Ok(Program { source: source.into(), main, named: parser.named })
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    dialect: Dialect,
    named: BTreeMap<Arc<str>, Vec<Node>>,
    scope: Scope,
    nodes: usize,
}

/// How a list of nodes ended.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Ending<'a> {
    End,
    Else(AfterElse<'a>),
}

/// What follows the word `else`: nothing, `if` or `with`.
type AfterElse<'a> = Option<&'a str>;

impl<'a> Parser<'a> {
    fn new(source: &'a str, dialect: Dialect) -> Self {
        Self { lexer: Lexer::new(source), dialect, named: BTreeMap::new(), scope: Scope::new(0), nodes: 0 }
    }

    fn top(&mut self) -> Result<Vec<Node>, Fail> {
        let mut nodes = Vec::new();
        loop {
            let token = self.lexer.next()?;
            match token.kind {
                Kind::End => return Ok(nodes),
                Kind::Text => nodes.push(text_node(token)),
                _ if self.peek_word("define")? => self.define()?,
                _ => match self.action(token.at)? {
                    Step::Node(node) => nodes.push(node),
                    Step::Ending(Ending::End) => return Err(Fail::new(token.at, "unexpected {{end}}")),
                    Step::Ending(Ending::Else(_)) => return Err(Fail::new(token.at, "unexpected {{else}}")),
                },
            }
        }
    }

    /// Nodes up to `end` or `else`.
    fn list(&mut self, opened: usize) -> Result<(Vec<Node>, Ending<'a>), Fail> {
        let mut nodes = Vec::new();
        loop {
            let token = self.lexer.next()?;
            match token.kind {
                Kind::End => return Err(Fail::new(opened, "this is never closed: {{end}} is missing")),
                Kind::Text => nodes.push(text_node(token)),
                _ => match self.action(token.at)? {
                    Step::Node(node) => nodes.push(node),
                    Step::Ending(ending) => return Ok((nodes, ending)),
                },
            }
        }
    }

    /// What follows `{{`.
    fn action(&mut self, at: usize) -> Result<Step<'a>, Fail> {
        self.count(at)?;
        let mut ahead = self.lexer.clone();
        let token = skip_space(&mut ahead)?;
        if token.kind != Kind::Word || !is_keyword(token.text) {
            return Ok(Step::Node(Node::Action(self.pipe(Kind::Right, 1)?)));
        }
        self.lexer = ahead;
        Ok(match token.text {
            "if" => Step::Node(Node::If(Box::new(self.branches(at, "if")?))),
            "with" => Step::Node(Node::With(Box::new(self.branches(at, "with")?))),
            "range" => Step::Node(Node::Range(Box::new(self.range(at)?))),
            "template" => Step::Node(Node::Call(Box::new(self.call(at)?))),
            "block" => Step::Node(Node::Call(Box::new(self.block(at)?))),
            "break" => Step::Node(self.jump(at, "break", Node::Break)?),
            "continue" => Step::Node(self.jump(at, "continue", Node::Continue)?),
            "end" => {
                self.expect_right("end")?;
                Step::Ending(Ending::End)
            }
            "else" => Step::Ending(Ending::Else(self.after_else()?)),
            word => return Err(Fail::new(token.at, format!("unexpected {word} in an action"))),
        })
    }

    fn after_else(&mut self) -> Result<AfterElse<'a>, Fail> {
        let mut ahead = self.lexer.clone();
        let token = skip_space(&mut ahead)?;
        if token.kind == Kind::Word && matches!(token.text, "if" | "with") {
            self.lexer = ahead;
            return Ok(Some(token.text));
        }
        self.expect_right("else")?;
        Ok(None)
    }

    fn branches(&mut self, at: usize, word: &str) -> Result<Branches, Fail> {
        let outer = self.open(at)?;
        let mut branches = Branches { arms: Vec::new(), otherwise: Vec::new() };
        loop {
            let condition = self.pipe(Kind::Right, 1)?;
            let inner = self.scope.variables.len();
            let (body, ending) = self.list(at)?;
            self.scope.variables.truncate(inner);
            branches.arms.push((condition, body));
            match ending {
                Ending::End => break,
                Ending::Else(None) => {
                    branches.otherwise = self.last_list(at)?;
                    break;
                }
                Ending::Else(Some(next)) if next == word => self.count(at)?,
                Ending::Else(Some(next)) => {
                    return Err(Fail::new(at, format!("{{{{else {next}}}}} cannot follow {{{{{word}}}}}")));
                }
            }
        }
        self.close(outer);
        Ok(branches)
    }

    fn range(&mut self, at: usize) -> Result<Loop, Fail> {
        let outer = self.open(at)?;
        let over = self.pipe(Kind::Right, 2)?;
        let inner = self.scope.variables.len();
        self.scope.loops += 1;
        let (body, ending) = self.list(at)?;
        self.scope.loops -= 1;
        self.scope.variables.truncate(inner);
        let otherwise = match ending {
            Ending::End => Vec::new(),
            Ending::Else(None) => self.last_list(at)?,
            Ending::Else(Some(word)) => {
                return Err(Fail::new(at, format!("{{{{else {word}}}}} cannot follow {{{{range}}}}")));
            }
        };
        self.close(outer);
        Ok(Loop { over, body, otherwise })
    }

    /// The list after a plain `else`, which only `end` may close.
    fn last_list(&mut self, at: usize) -> Result<Vec<Node>, Fail> {
        match self.list(at)? {
            (nodes, Ending::End) => Ok(nodes),
            _ => Err(Fail::new(at, "expected {{end}} after {{else}}, found another {{else}}")),
        }
    }

    fn jump(&mut self, at: usize, word: &str, node: Node) -> Result<Node, Fail> {
        if self.scope.loops == 0 {
            return Err(Fail::new(at, format!("{{{{{word}}}}} outside of {{{{range}}}}")));
        }
        self.expect_right(word)?;
        Ok(node)
    }

    fn call(&mut self, at: usize) -> Result<Call, Fail> {
        let name = self.template_name("template")?;
        let mut ahead = self.lexer.clone();
        if skip_space(&mut ahead)?.kind == Kind::Right {
            self.lexer = ahead;
            return Ok(Call { at, name, argument: None });
        }
        Ok(Call { at, name, argument: Some(self.pipe(Kind::Right, 1)?) })
    }

    fn block(&mut self, at: usize) -> Result<Call, Fail> {
        let name = self.template_name("block")?;
        let argument = Some(self.pipe(Kind::Right, 1)?);
        self.body(at, &name)?;
        Ok(Call { at, name, argument })
    }

    fn define(&mut self) -> Result<(), Fail> {
        let word = skip_space(&mut self.lexer)?;
        let name = self.template_name("define")?;
        self.expect_right("define")?;
        self.body(word.at, &name)
    }

    /// The body of a named template, which sees none of the variables around it.
    fn body(&mut self, at: usize, name: &Arc<str>) -> Result<(), Fail> {
        let depth = self.deeper(at)?;
        let outer = std::mem::replace(&mut self.scope, Scope::new(depth));
        let (nodes, ending) = self.list(at)?;
        self.scope = outer;
        if ending != Ending::End {
            return Err(Fail::new(at, format!("unexpected {{{{else}}}} in template {name:?}")));
        }
        // As in Go, only one definition may have a content.
        let old = self.named.get(name).is_none_or(|old| is_blank(self.source(), old));
        if old {
            self.named.insert(name.clone(), nodes);
        } else if !is_blank(self.source(), &nodes) {
            return Err(Fail::new(at, format!("template {name:?} is defined twice")));
        }
        Ok(())
    }

    fn source(&self) -> &'a str {
        self.lexer.source()
    }

    fn template_name(&mut self, word: &str) -> Result<Arc<str>, Fail> {
        let token = skip_space(&mut self.lexer)?;
        if !matches!(token.kind, Kind::Quoted | Kind::Raw) {
            return Err(Fail::new(token.at, format!("{word} needs the name of a template in quotes")));
        }
        let bytes = literal::quoted(token.text).map_err(|why| Fail::new(token.at, why))?;
        let name =
            String::from_utf8(bytes).map_err(|_| Fail::new(token.at, "a template's name is not UTF-8"))?;
        Ok(name.into())
    }

    /// A pipeline up to `until`; at most `most` variables before it.
    fn pipe(&mut self, until: Kind, most: usize) -> Result<Pipe, Fail> {
        let mut ahead = self.lexer.clone();
        let at = skip_space(&mut ahead)?.at;
        let (variables, assigns) = self.declaration(most)?;
        let mut commands: Vec<Box<[Expr]>> = Vec::new();
        loop {
            let (command, last) = self.command(until)?;
            match (command.first(), commands.is_empty()) {
                (None, _) => return Err(Fail::new(at, "a value is missing: an action or stage is empty")),
                (Some(first), false) if is_literal(&first.kind) => {
                    return Err(Fail::new(first.at, "only a function can follow |"));
                }
                _ => commands.push(command.into()),
            }
            if last {
                break;
            }
        }
        if !assigns {
            self.scope.declare(at, &variables)?;
        }
        Ok(Pipe { at, variables: variables.into(), assigns, commands: commands.into() })
    }

    /// `$x :=`, `$x =` or, in a range, `$i, $x :=` if they stand here.
    fn declaration(&mut self, most: usize) -> Result<(Vec<Arc<str>>, bool), Fail> {
        let mut ahead = self.lexer.clone();
        let mut names = Vec::new();
        loop {
            let token = skip_space(&mut ahead)?;
            if token.kind != Kind::Variable {
                return Ok((Vec::new(), false));
            }
            names.push(token);
            let next = skip_space(&mut ahead)?;
            match next.kind {
                Kind::Comma if names.len() < most => {}
                Kind::Comma => return Err(Fail::new(next.at, "too many variables: only range takes two")),
                Kind::Declare | Kind::Assign => {
                    self.lexer = ahead;
                    let assigns = next.kind == Kind::Assign;
                    let names = names.into_iter().map(|name| self.left_side(name, assigns));
                    return Ok((names.collect::<Result<_, _>>()?, assigns));
                }
                _ if names.len() > 1 => {
                    return Err(Fail::new(next.at, "expected := or = after two variables"));
                }
                _ => return Ok((Vec::new(), false)),
            }
        }
    }

    fn left_side(&self, token: Token<'a>, assigns: bool) -> Result<Arc<str>, Fail> {
        if assigns { self.scope.variable(token) } else { Ok(token.text.into()) }
    }

    /// Operands up to `|` or the end of the pipeline, and whether it was the end.
    fn command(&mut self, until: Kind) -> Result<(Vec<Expr>, bool), Fail> {
        let mut operands: Vec<Expr> = Vec::new();
        let mut separated = true;
        loop {
            let mut ahead = self.lexer.clone();
            let token = ahead.next()?;
            match token.kind {
                Kind::Space => {
                    separated = true;
                    self.lexer = ahead;
                }
                Kind::Pipe => {
                    self.lexer = ahead;
                    return Ok((operands, false));
                }
                kind if kind == until => {
                    self.lexer = ahead;
                    return Ok((operands, true));
                }
                _ if !separated => {
                    return Err(Fail::new(token.at, format!("unexpected {:?} after an operand", token.text)));
                }
                _ => {
                    self.lexer = ahead;
                    operands.push(self.operand(token)?);
                    separated = false;
                }
            }
        }
    }

    /// A term and the fields that follow it without a space.
    fn operand(&mut self, token: Token<'a>) -> Result<Expr, Fail> {
        self.count(token.at)?;
        let at = token.at;
        let term = self.term(token)?;
        let mut fields = Vec::new();
        if token.kind == Kind::Field {
            fields.push(token.text[1..].into());
        }
        loop {
            let mut ahead = self.lexer.clone();
            // What is no token here is reported by the next step, at its place.
            let Ok(next) = ahead.next() else { break };
            if next.kind == Kind::Dot {
                return Err(Fail::new(next.at, "unexpected . after an operand"));
            }
            if next.kind != Kind::Field {
                break;
            }
            self.count(next.at)?;
            fields.push(next.text[1..].into());
            self.lexer = ahead;
        }
        Ok(Expr { at, kind: with_fields(at, term, fields)? })
    }

    fn term(&mut self, token: Token<'a>) -> Result<ExprKind, Fail> {
        let fail = |why: String| Fail::new(token.at, why);
        Ok(match token.kind {
            Kind::Dot | Kind::Field => ExprKind::Dot,
            Kind::Variable => ExprKind::Variable(self.scope.variable(token)?, Box::default()),
            Kind::Quoted | Kind::Raw => ExprKind::Text(text(literal::quoted(token.text).map_err(fail)?)),
            Kind::Char => ExprKind::Int(literal::character(token.text).map_err(fail)?),
            Kind::Number => literal::number(token.text).map_err(fail)?,
            Kind::Word => self.word(token)?,
            Kind::OpenParen => {
                let outer = self.open(token.at)?;
                let pipe = self.pipe(Kind::CloseParen, 1)?;
                self.scope.depth = outer.1;
                ExprKind::Pipe(Box::new(pipe))
            }
            _ => return Err(fail(format!("unexpected {:?} in an action", token.text))),
        })
    }

    fn word(&self, token: Token<'a>) -> Result<ExprKind, Fail> {
        match token.text {
            "true" => return Ok(ExprKind::Bool(true)),
            "false" => return Ok(ExprKind::Bool(false)),
            "nil" => return Ok(ExprKind::Nil),
            word if is_keyword(word) => {
                return Err(Fail::new(token.at, format!("unexpected {word} in an action")));
            }
            _ => {}
        }
        let function = Function::named(token.text);
        let (missing, known) = match self.dialect {
            Dialect::File => (Function::String, "pem, hex, raw, base64"),
            Dialect::Env => (Function::Raw, "pem, hex, string, base64"),
        };
        function.filter(|f| *f != missing).map(ExprKind::Function).ok_or_else(|| {
            let name = token.text;
            Fail::new(
                token.at,
                format!("function {name:?} does not exist here; a secret is encoded with {known}"),
            )
        })
    }

    fn peek_word(&self, word: &str) -> Result<bool, Fail> {
        let token = skip_space(&mut self.lexer.clone())?;
        Ok(token.kind == Kind::Word && token.text == word)
    }

    fn expect_right(&mut self, word: &str) -> Result<(), Fail> {
        let token = skip_space(&mut self.lexer)?;
        if token.kind == Kind::Right {
            return Ok(());
        }
        Err(Fail::new(token.at, format!("unexpected {:?} after {word}", token.text)))
    }

    /// Enters a control structure: how many variables and levels there were before it.
    fn open(&mut self, at: usize) -> Result<(usize, usize), Fail> {
        let outer = (self.scope.variables.len(), self.scope.depth);
        self.scope.depth = self.deeper(at)?;
        Ok(outer)
    }

    fn close(&mut self, outer: (usize, usize)) {
        self.scope.variables.truncate(outer.0);
        self.scope.depth = outer.1;
    }

    fn deeper(&self, at: usize) -> Result<usize, Fail> {
        if self.scope.depth >= MAX_DEPTH {
            return Err(Fail::new(at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(self.scope.depth + 1)
    }

    fn count(&mut self, at: usize) -> Result<(), Fail> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Fail::new(at, format!("more than {MAX_NODES} operands and actions in one template")));
        }
        Ok(())
    }
}

enum Step<'a> {
    Node(Node),
    Ending(Ending<'a>),
}

fn text_node(token: Token<'_>) -> Node {
    Node::Text(token.at..token.at + token.text.len())
}

fn skip_space<'a>(lexer: &mut Lexer<'a>) -> Result<Token<'a>, Fail> {
    loop {
        let token = lexer.next()?;
        if token.kind != Kind::Space {
            return Ok(token);
        }
    }
}

fn with_fields(at: usize, term: ExprKind, fields: Vec<Arc<str>>) -> Result<ExprKind, Fail> {
    let fields: Fields = fields.into();
    Ok(match term {
        term if fields.is_empty() => term,
        ExprKind::Dot => ExprKind::Field(fields),
        ExprKind::Variable(name, _) => ExprKind::Variable(name, fields),
        term @ (ExprKind::Pipe(_) | ExprKind::Function(_)) => {
            ExprKind::Chain(Box::new(Expr { at, kind: term }), fields)
        }
        _ => return Err(Fail::new(at, "a constant has no fields")),
    })
}

fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "if" | "else" | "end" | "range" | "with" | "define" | "template" | "block" | "break" | "continue"
    )
}

fn is_literal(kind: &ExprKind) -> bool {
    use ExprKind as K;
    matches!(kind, K::Bool(_) | K::Dot | K::Nil | K::Int(_) | K::Float(_) | K::Text(_))
}

/// Whether a body is white space only, which counts as no definition.
fn is_blank(source: &str, nodes: &[Node]) -> bool {
    nodes.iter().all(|node| match node {
        Node::Text(range) => source.get(range.clone()).is_none_or(|text| text.trim().is_empty()),
        _ => false,
    })
}
